/**
 * Keeps the focus in the player when what has it goes away: the big button once it is pressed, a notice that leaves.
 * On the body, the keys would scroll the page and a screen reader would begin at its top.
 */
export function keepFocus(root: HTMLElement): void {
  // the player itself and not a button of the bar: a bar with the focus stays over the picture
  root.tabIndex = -1;
  const rescue = (from: EventTarget | null): void => {
    const hidden = from instanceof Element && from !== root && root.contains(from) && from.closest("[hidden]");
    const lost = document.activeElement === from || document.activeElement === document.body;
    if (hidden && lost) root.focus({ preventScroll: true });
  };
  // some browsers leave the focus on what is hidden, others take it away when they next look
  new MutationObserver(() => rescue(document.activeElement)).observe(root, { subtree: true, attributeFilter: ["hidden"] });
  root.addEventListener("focusout", ({ target }) => queueMicrotask(() => rescue(target)));
}
