/** The position slider: buffered range, what is not made yet, chapters, thumbnails and heat on hover. */
import type { Chapter, PlayerConfig } from "./config";
import { el } from "./dom";
import type { Engine } from "./engine";
import { fill, type Strings } from "./i18n";
import { loadStoryboard, type Storyboard } from "./storyboard";
import { clock, spoken } from "./time";

const KEY_STEP_S = 5;
const PREVIEW_WIDTH_PX = 168;
/** What stands under a thumbnail and around it: its text and the bar. */
const PREVIEW_BELOW_PX = 136;

export class SeekBar {
  readonly element: HTMLElement;
  /** Called with seconds while dragging (final = false) and at the end (final = true). */
  onSeek: (to_s: number, final: boolean) => void = () => undefined;

  #track = el("div", { class: "pc-track" });
  #buffered = el("div", { class: "pc-buffered" });
  #played = el("div", { class: "pc-played" });
  #pending = el("div", { class: "pc-pending" });
  #hovered = el("div", { class: "pc-hovered" });
  #knob = el("div", { class: "pc-knob" });
  #preview = el("div", { class: "pc-preview", "aria-hidden": "true" });
  #picture = el("div", { class: "pc-picture" });
  #caption = el("div", { class: "pc-preview-text" });
  #chapterName = el("strong", {});
  #time = el("span", {});
  #storyboard: Promise<Storyboard | null> | null = null;
  #storyboardUrl: string | null = null;
  #chapters: Chapter[] = [];
  #drag: number | null = null;
  #duration = 0;
  #hoverAt = 0;

  constructor(
    private readonly engine: Engine,
    private readonly strings: Strings,
    private readonly language: string,
  ) {
    this.#caption.append(this.#chapterName, this.#time);
    this.#preview.append(this.#picture, this.#caption);
    this.#track.append(this.#buffered, this.#pending, this.#hovered, this.#played);
    this.element = el(
      "div",
      { class: "pc-seek", role: "slider", tabindex: "0", "aria-label": strings.seek, "aria-valuemin": "0", "aria-orientation": "horizontal" },
      this.#track,
      this.#knob,
      this.#preview,
    );
    this.#listen();
  }

  configure(config: PlayerConfig): void {
    this.#chapters = config.chapters;
    this.#storyboard = null;
    this.#storyboardUrl = config.storyboard;
    this.#drawMarks();
    this.#drawHeat(config.theme.controls.heatmap ? config.heatmap : []);
  }

  /** Draws a moment; called on every time update. All in seconds. */
  update(now: number, duration: number): void {
    if (duration !== this.#duration) {
      this.#duration = duration;
      this.element.setAttribute("aria-valuemax", String(Math.round(duration * 10) / 10));
      this.#drawMarks();
    }
    const at = this.#drag ?? now;
    const share = this.#share(at);
    this.#played.style.width = `${share * 100}%`;
    this.#knob.style.left = `${share * 100}%`;
    this.#buffered.style.width = `${this.#share(this.#bufferedEnd(now)) * 100}%`;
    const end = this.engine.growing ? this.engine.range().end : duration;
    this.#pending.style.left = `${this.#share(end) * 100}%`;
    this.#pending.hidden = !this.engine.growing;
    this.element.setAttribute("aria-valuenow", String(Math.round(at * 10) / 10));
    const chapter = chapterAt(this.#chapters, at);
    const position = fill(this.strings.of, {
      a: spoken(at, this.strings, this.language),
      b: spoken(Math.round(duration), this.strings, this.language),
    });
    this.element.setAttribute("aria-valuetext", chapter ? `${position}, ${chapter.title}` : position);
  }

  get dragging(): boolean {
    return this.#drag !== null;
  }

  #share(at: number): number {
    return this.#duration > 0 ? Math.min(Math.max(at / this.#duration, 0), 1) : 0;
  }

  #bufferedEnd(now: number): number {
    const ranges = this.engine.video.buffered;
    for (let i = 0; i < ranges.length; i++) {
      if (ranges.start(i) <= now + 0.25 && ranges.end(i) >= now) return ranges.end(i);
    }
    return now;
  }

  #drawMarks(): void {
    for (const old of this.#track.querySelectorAll(".pc-mark")) old.remove();
    if (this.#duration <= 0) return;
    for (const chapter of this.#chapters) {
      if (chapter.start_s <= 0 || chapter.start_s >= this.#duration) continue;
      const mark = el("div", { class: "pc-mark" });
      mark.style.left = `${this.#share(chapter.start_s) * 100}%`;
      this.#track.append(mark);
    }
  }

  #drawHeat(values: number[]): void {
    this.element.querySelector(".pc-heat")?.remove();
    if (values.length < 2) return;
    const top = Math.max(...values, 0.001);
    const points = values.map((value, i) => `${(i / (values.length - 1)) * 100},${20 - (value / top) * 18}`);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "pc-heat");
    svg.setAttribute("viewBox", "0 0 100 20");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    shape.setAttribute("points", `0,20 ${points.join(" ")} 100,20`);
    svg.append(shape);
    this.element.prepend(svg);
  }

  #listen(): void {
    const element = this.element;
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.#duration <= 0) return;
      element.setPointerCapture(event.pointerId);
      this.#drag = this.#at(event);
      this.onSeek(this.#drag, false);
      this.#hover(event);
      event.preventDefault();
      element.focus({ preventScroll: true });
    });
    element.addEventListener("pointermove", (event) => {
      if (this.#drag !== null) {
        this.#drag = this.#at(event);
        this.onSeek(this.#drag, false);
      }
      this.#hover(event);
    });
    const drop = (event: PointerEvent): void => {
      if (this.#drag === null) return;
      const to = this.#drag;
      this.#drag = null;
      if (event.type === "pointerup") this.onSeek(to, true);
      if (event.pointerType !== "mouse") this.#leave();
    };
    element.addEventListener("pointerup", drop);
    element.addEventListener("pointercancel", drop);
    element.addEventListener("pointerleave", () => {
      if (this.#drag === null) this.#leave();
    });
    element.addEventListener("keydown", (event) => {
      const now = this.engine.video.currentTime;
      const end = this.#duration;
      const to: Record<string, number> = {
        ArrowRight: now + KEY_STEP_S,
        ArrowUp: now + KEY_STEP_S,
        ArrowLeft: now - KEY_STEP_S,
        ArrowDown: now - KEY_STEP_S,
        PageUp: now + end / 10,
        PageDown: now - end / 10,
        Home: 0,
        End: end,
      };
      const target = to[event.key];
      if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.onSeek(target, true);
    });
  }

  #at(event: PointerEvent): number {
    const box = this.#track.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * this.#duration;
  }

  #hover(event: PointerEvent): void {
    if (this.#duration <= 0) return;
    const at = this.#at(event);
    this.#hoverAt = at;
    this.#hovered.style.width = `${this.#share(at) * 100}%`;
    this.#time.textContent = clock(at);
    const chapter = chapterAt(this.#chapters, at);
    this.#chapterName.textContent = chapter?.title ?? "";
    this.#chapterName.hidden = !chapter;
    this.element.classList.add("is-hovered");
    void this.#showPicture(at);
    this.#place(at);
  }

  /** Keeps the preview inside the player, however near to the edge the pointer is. */
  #place(at: number): void {
    const bar = this.element.getBoundingClientRect();
    const track = this.#track.getBoundingClientRect();
    const frame = (this.element.closest(".pc-root") ?? this.element).getBoundingClientRect();
    const half = this.#preview.offsetWidth / 2;
    const x = track.left + this.#share(at) * track.width;
    const kept = Math.min(Math.max(x, frame.left + half + 8), frame.right - half - 8);
    this.#preview.style.left = `${kept - bar.left}px`;
  }

  async #showPicture(at: number): Promise<void> {
    const url = this.#storyboardUrl;
    if (url) this.#storyboard ??= loadStoryboard(url);
    const tile = (await this.#storyboard)?.at(this.#hoverAt);
    this.#picture.hidden = !tile;
    if (!tile) return;
    const frame = this.element.closest<HTMLElement>(".pc-root")?.clientHeight ?? 0;
    // a small player has little room above its bar
    const room = Math.max(frame - PREVIEW_BELOW_PX, 36);
    const scale = Math.min(PREVIEW_WIDTH_PX / tile.width, 120 / tile.height, room / tile.height);
    Object.assign(this.#picture.style, {
      width: `${tile.width}px`,
      height: `${tile.height}px`,
      // the sprite keeps its own size: only the window onto it is scaled
      zoom: String(scale),
      backgroundImage: `url(${JSON.stringify(tile.url)})`,
      backgroundPosition: `-${tile.x}px -${tile.y}px`,
    });
    this.#place(at);
  }

  #leave(): void {
    this.element.classList.remove("is-hovered");
    this.#hovered.style.width = "0";
  }
}

/** The chapter playing at a moment, undefined before the first or without chapters. */
export function chapterAt(chapters: Chapter[], at: number): Chapter | undefined {
  return chapters.findLast((chapter) => at >= chapter.start_s && (chapter.end_s === null || at < chapter.end_s));
}
