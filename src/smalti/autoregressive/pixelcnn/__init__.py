"""PixelCNN, Gated PixelCNN and PixelCNN++: networks that see what is above and to the left."""
