import type { Theme } from "./config";

/** Relative luminance of an sRGB colour, WCAG 2.2. Null when the text is no plain colour. */
function luminance(color: string): number | null {
  const canvas = document.createElement("canvas").getContext("2d");
  if (!canvas || !CSS.supports("color", color)) return null;
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [r = 0, g = 0, b = 0] = canvas.getImageData(0, 0, 1, 1).data;
  const linear = [r, g, b].map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0);
}

/**
 * Writes a theme into CSS variables of the page. Values go through the CSSOM one by one, so a
 * value that is no colour or length is dropped and can never become another rule.
 */
export function applyTheme(theme: Theme, root: HTMLElement = document.documentElement): void {
  const set = (name: string, value: string | null, property: string): void => {
    if (value && CSS.supports(property, value)) root.style.setProperty(name, value);
  };
  set("--pc-accent", theme.primary_color, "color");
  if (theme.primary_color) {
    const light = luminance(theme.primary_color);
    // 0.18 is where black and white text contrast equally
    if (light !== null) root.style.setProperty("--pc-on-accent", light > 0.18 ? "#14181f" : "#ffffff");
  }
  if (theme.font_family) set("--pc-font", `${theme.font_family}, system-ui, sans-serif`, "font-family");
  if (theme.font_size) set("--pc-size", `${clamp(theme.font_size, 10, 28)}px`, "font-size");
  if (theme.caption.font_size) set("--pc-caption-size", `${clamp(theme.caption.font_size, 8, 72)}px`, "font-size");
  set("--pc-caption-color", theme.caption.font_color, "color");
  set("--pc-caption-background", theme.caption.background_color, "background-color");
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
