"""Parts of scripts/train_digits.py and scripts/draw_digit.py."""
