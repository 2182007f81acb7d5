/**
 * Keeps a page from opening the browser's tools by its menu and keys, where the owner of the video wants that.
 * A hindrance for the curious, no protection: the browser's own menu bar stays out of a page's reach.
 */

const LETTERS = new Set(["KeyI", "KeyJ", "KeyC", "KeyK", "KeyE"]);

/** Whether keys are those that open inspector, console or source in a common browser. */
export function opensTools(event: KeyboardEvent): boolean {
  if (event.key === "F12") return true;
  const command = event.ctrlKey || event.metaKey;
  if (command && !event.shiftKey && event.code === "KeyU") return true;
  return command && (event.shiftKey || event.altKey) && LETTERS.has(event.code);
}

export function closeTools(): void {
  const swallow = (event: Event): void => {
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  addEventListener("contextmenu", swallow, true);
  addEventListener("keydown", (event) => opensTools(event) && swallow(event), true);
}
