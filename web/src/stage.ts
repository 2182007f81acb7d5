/** Everything above the picture: poster, big play button, spinner, waiting and error cards, notices. */
import type { PlayerConfig } from "./config";
import { el, icon, iconButton, setIcon, setLabel, show } from "./dom";
import { type Failure, words } from "./errors";
import type { Strings } from "./i18n";
import { clock } from "./time";

export type Phase = "idle" | "loading" | "active" | "processing" | "error";

export class Stage {
  readonly poster: HTMLImageElement;
  readonly big: HTMLButtonElement;
  readonly overlay: HTMLElement;
  /** Spoken politely to screen readers. */
  readonly live = el("div", { class: "pc-sr", role: "status", "aria-live": "polite" });
  onRetry: () => void = () => undefined;

  #length = el("span", { class: "pc-big-length" });
  #spinner = el("div", { class: "pc-spinner", hidden: true }, el("i"), el("i"), el("i"));
  #card = el("div", { class: "pc-card", hidden: true });
  #notice = el("div", { class: "pc-notice", hidden: true });
  #flash = el("div", { class: "pc-flash", "aria-hidden": "true" });
  #title = el("div", { class: "pc-title", dir: "auto" });
  #noticeTimer = 0;
  #flashTimer = 0;

  /** `poster`: the picture that the server already put into the page. */
  constructor(
    private readonly strings: Strings,
    poster: HTMLImageElement | null,
  ) {
    this.poster = poster ?? el("img", { class: "pc-poster", alt: "", decoding: "async", hidden: true });
    this.big = iconButton("pc-big", "play", strings.play);
    this.big.append(this.#length);
    this.overlay = el(
      "div",
      { class: "pc-overlay" },
      this.#title,
      this.big,
      this.#spinner,
      this.#flash,
      this.#card,
      this.#notice,
    );
  }

  configure(config: PlayerConfig): void {
    this.#title.textContent = config.asset.title;
    const length = config.asset.duration_s;
    this.#length.textContent = length ? clock(length) : "";
    this.#length.hidden = !length;
    if (config.poster && this.poster.getAttribute("src") !== config.poster) this.poster.src = config.poster;
    this.poster.onerror = () => show(this.poster, false);
  }

  phase(phase: Phase, config: PlayerConfig, started: boolean): void {
    show(this.poster, Boolean(config.poster) && (!started || config.asset.kind === "audio"));
    show(this.big, phase === "idle" && config.theme.controls.big_play);
    show(this.#card, phase === "processing" || phase === "error");
    if (phase !== "loading") this.busy(false);
  }

  busy(on: boolean): void {
    show(this.#spinner, on);
  }

  /** The waiting card. `progress` is 0..1, null when unknown. */
  processing(message: string | null, progress: number | null): void {
    const percent = progress === null ? null : Math.round(progress * 100);
    const bar = el(
      "div",
      {
        class: `pc-progress${percent === null ? " is-unknown" : ""}`,
        role: "progressbar",
        "aria-label": this.strings.processing,
        "aria-valuemin": "0",
        "aria-valuemax": "100",
        "aria-valuenow": percent,
      },
      el("i"),
    );
    (bar.firstElementChild as HTMLElement).style.width = percent === null ? "" : `${percent}%`;
    const old = this.#card.querySelector<HTMLElement>(".pc-progress i");
    if (this.#card.classList.contains("is-processing") && old && percent !== null) {
      // keep the element, so that its width glides
      old.style.width = `${percent}%`;
      old.parentElement?.classList.remove("is-unknown");
      old.parentElement?.setAttribute("aria-valuenow", String(percent));
      const value = this.#card.querySelector(".pc-percent");
      if (value) value.textContent = `${percent} %`;
      return;
    }
    this.#card.className = "pc-card is-processing";
    this.#card.replaceChildren(
      el("div", { class: "pc-bars", "aria-hidden": "true" }, el("i"), el("i"), el("i"), el("i"), el("i")),
      el("div", { class: "pc-card-title" }, this.strings.processing),
      el("div", { class: "pc-progress-row" }, bar, el("span", { class: "pc-percent" }, percent === null ? "" : `${percent} %`)),
      el("div", { class: "pc-card-text", dir: "auto" }, message ?? this.strings.processingHint),
    );
  }

  error(failure: Failure | null, message: string | null): void {
    const retry = el("button", { type: "button", class: "pc-primary" }, this.strings.retry);
    retry.addEventListener("click", () => this.onRetry());
    const text = message ?? (failure ? words(failure, this.strings) : this.strings.errorUnknown);
    this.#card.className = "pc-card is-error";
    this.#card.replaceChildren(
      icon("alert"),
      el(
        "div",
        { role: "alert" },
        el("div", { class: "pc-card-title" }, this.strings.errorTitle),
        el("div", { class: "pc-card-text", dir: "auto" }, text),
      ),
      retry,
      ...(failure ? [el("div", { class: "pc-code" }, failure.code)] : []),
    );
  }

  /** A line above the bar, with an optional choice; goes away by itself. */
  notice(text: string, choice?: { label: string; choose: () => void; later: string }, keep_ms = 6000): void {
    window.clearTimeout(this.#noticeTimer);
    this.#notice.replaceChildren(el("span", { dir: "auto" }, text));
    if (choice) {
      const yes = el("button", { type: "button", class: "pc-primary" }, choice.label);
      const no = el("button", { type: "button", class: "pc-quiet" }, choice.later);
      yes.addEventListener("click", () => {
        show(this.#notice, false);
        choice.choose();
      });
      no.addEventListener("click", () => show(this.#notice, false));
      this.#notice.append(yes, no);
    }
    show(this.#notice, true);
    this.say(text);
    this.#noticeTimer = window.setTimeout(() => show(this.#notice, false), keep_ms);
  }

  hideNotice(): void {
    show(this.#notice, false);
  }

  /** A short sign in the picture for what a key or a double tap did. */
  flash(name: "forward" | "rewind" | "play" | "pause", text = ""): void {
    window.clearTimeout(this.#flashTimer);
    this.#flash.className = "pc-flash";
    void this.#flash.offsetWidth; // restart the animation
    this.#flash.replaceChildren(icon(name), text);
    this.#flash.classList.add("is-on", `is-${name}`);
    this.#flashTimer = window.setTimeout(() => this.#flash.classList.remove("is-on"), 600);
  }

  say(text: string): void {
    this.live.textContent = text;
  }

  /** The big button once more, at the end; `on` false takes it away. */
  again(on: boolean): void {
    setIcon(this.big, on ? "replay" : "play");
    setLabel(this.big, on ? this.strings.replay : this.strings.play);
    this.#length.hidden ||= on;
    show(this.big, on);
  }
}
