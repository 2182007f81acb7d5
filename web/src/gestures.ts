/** Pointer on the picture: click and double click with a mouse, tap and double tap with a finger. */

export interface Gestures {
  /** Whether the press has done its work already: it closed what lay over the picture. */
  spent(): boolean;
  click(): void;
  doubleClick(): void;
  tap(): void;
  doubleTap(side: "left" | "right"): void;
  /** Off when the theme forbids double tap. */
  doubleTapOn(): boolean;
}

const DOUBLE_MS = 280;

export function listenGestures(surface: HTMLElement, gestures: Gestures): void {
  let last = { at: 0, side: "" };
  let wait = 0;
  surface.addEventListener("pointerup", (event) => {
    if (event.button !== 0 || gestures.spent()) return;
    if (event.pointerType === "mouse") {
      // a click acts at once: waiting for a second one would make every pause feel late
      if (event.timeStamp - last.at < DOUBLE_MS) {
        gestures.click();
        gestures.doubleClick();
        last = { at: 0, side: "" };
      } else {
        gestures.click();
        last = { at: event.timeStamp, side: "" };
      }
      return;
    }
    const box = surface.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    const side = share < 0.38 ? "left" : share > 0.62 ? "right" : "";
    const second = event.timeStamp - last.at < DOUBLE_MS && side === last.side;
    window.clearTimeout(wait);
    last = { at: event.timeStamp, side };
    if (second && side && gestures.doubleTapOn()) gestures.doubleTap(side as "left" | "right");
    else if (side && gestures.doubleTapOn()) wait = window.setTimeout(() => gestures.tap(), DOUBLE_MS);
    else gestures.tap();
  });
}
