"""PixelCNN, Gated PixelCNN and PixelCNN++: pictures drawn and scored pixel by pixel."""
