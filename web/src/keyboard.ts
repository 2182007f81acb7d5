/**
 * Keys of the player. On a page with more than the player, keys that scroll or press act only inside it and where
 * nothing has the focus; letters and digits act wherever nobody types, as behind a click on a chapter.
 */

export interface KeyActions {
  toggle(): void;
  seekBy(delta_s: number): void;
  seekShare(share: number): void;
  volumeBy(delta: number): void;
  toggleMute(): void;
  fullscreen(): void;
  captions(): void;
  pip(): void;
  speedStep(step: 1 | -1): void;
  end(): void;
  frameStep(step: 1 | -1): void;
  help(): void;
}

const TYPING = "input:not([type=range]), textarea, select, [contenteditable=''], [contenteditable=true]";

/** Keys that belong to whatever has the focus outside the player: Space, arrows, Home and the like. */
const ELSEWHERE = /^(?: |.{2,})$/;

/** Keys that switch something over: held down, they act once. */
const SWITCHES = /^[ kmcfi?]$/i;

export function listenKeys(root: HTMLElement, actions: KeyActions, wholePage: boolean): void {
  document.addEventListener("keydown", (event) => {
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || target.matches(TYPING)) return;
    const inside = wholePage || root.contains(target);
    const free = target === document.body || target === document.documentElement;
    if (!inside && !free && ELSEWHERE.test(event.key)) return;
    const onControl = target.closest("button, a, summary, [role=menuitem], input") !== null;
    const act = chooseAction(event, actions, inside, onControl, target.matches("input[type=range]"));
    if (!act) return;
    event.preventDefault();
    if (!(event.repeat && SWITCHES.test(event.key))) act();
  });
}

function chooseAction(
  event: KeyboardEvent,
  actions: KeyActions,
  inside: boolean,
  onControl: boolean,
  onSlider: boolean,
): (() => void) | null {
  const { key } = event;
  if (/^[0-9]$/.test(key)) return () => actions.seekShare(Number(key) / 10);
  switch (key) {
    case " ":
      // Space on a button presses that button
      return onControl ? null : () => actions.toggle();
    case "ArrowLeft":
      return onSlider ? null : () => actions.seekBy(-5);
    case "ArrowRight":
      return onSlider ? null : () => actions.seekBy(5);
    case "ArrowUp":
      return inside && !onSlider ? () => actions.volumeBy(0.05) : null;
    case "ArrowDown":
      return inside && !onSlider ? () => actions.volumeBy(-0.05) : null;
    case "Home":
      return inside && !onSlider ? () => actions.seekShare(0) : null;
    case "End":
      return inside && !onSlider ? () => actions.end() : null;
    case "<":
      return () => actions.speedStep(-1);
    case ">":
      return () => actions.speedStep(1);
    case ",":
      return () => actions.frameStep(-1);
    case ".":
      return () => actions.frameStep(1);
    case "?":
      return () => actions.help();
  }
  switch (key.toLowerCase()) {
    case "k":
      return () => actions.toggle();
    case "j":
      return () => actions.seekBy(-10);
    case "l":
      return () => actions.seekBy(10);
    case "m":
      return () => actions.toggleMute();
    case "f":
      return () => actions.fullscreen();
    case "c":
      return () => actions.captions();
    case "i":
      return () => actions.pip();
  }
  return null;
}
