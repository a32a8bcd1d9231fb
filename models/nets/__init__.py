"""Network definitions that models/build.py exports; needs torch and torchvision."""
