"""PixelCNNs under their public name, with the logistic mixture's likelihood beside them."""

import sys

from smalti.autoregressive import logistic
from smalti.autoregressive.pixelcnn import *  # noqa: F403

sys.modules["smalti.pixelcnn.logistic"] = logistic  # `from smalti.pixelcnn.logistic import nll`
