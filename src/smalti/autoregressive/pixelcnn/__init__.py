"""PixelCNN, Gated PixelCNN and PixelCNN++: causal convolutional networks in raster order."""
