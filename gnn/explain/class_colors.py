"""A colour for each class, however many there are."""

import colorsys

# Okabe and Ito's palette, told apart by the colour-blind
_FEW = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999")


def class_colors(num_classes: int) -> list[str]:
    """So many different colours: Okabe and Ito's up to 8, else hues a golden angle apart in three lightnesses."""
    if num_classes <= len(_FEW):
        return list(_FEW[:num_classes])
    colors = []
    for number in range(num_classes):
        red, green, blue = colorsys.hls_to_rgb(0.618034 * number % 1.0, (0.42, 0.62, 0.78)[number % 3], 0.75)
        colors.append(f"#{round(255 * red):02X}{round(255 * green):02X}{round(255 * blue):02X}")
    return colors


def ink_on(color: str) -> str:
    """Black, or white on a colour on which black is hard to read."""
    if color == "white":
        return "black"
    red, green, blue = (int(color[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.4 else "black"
