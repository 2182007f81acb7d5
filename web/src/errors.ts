import type shaka from "shaka-player/dist/shaka-player.compiled-es2021.js";
import type { Strings } from "./i18n";

/** Why playback stopped, in the words a viewer needs. `code` is for support and beacons. */
export interface Failure {
  kind: "network" | "forbidden" | "gone" | "unsupported" | "decode" | "server" | "unknown";
  code: string;
  detail: string;
}

export function isShakaError(error: unknown): error is shaka.util.Error {
  return typeof error === "object" && error !== null && "category" in error && "severity" in error;
}

// numbers: shaka.util.Error.Code and .Category, stable over releases and absent from the minified build's types
const BAD_HTTP_STATUS = 1001;
const HTTP_ERROR = 1002;
const TIMEOUT = 1003;
const VIDEO_ERROR = 3016;
export const LOAD_INTERRUPTED = 7000;
const NETWORK = 1;
const MEDIA = 3;
const MANIFEST = 4;

/**
 * Why an element could not read its file: it says only that it could not, the server says more.
 * Anything but such an error is returned as it is.
 */
export async function whyUnreadable(error: unknown, file: string | null): Promise<unknown> {
  if (file === null || !isShakaError(error) || error.code !== VIDEO_ERROR) return error;
  const found = (code: number, ...data: unknown[]) => ({ category: NETWORK, severity: 2, code, data: [file, ...data], message: "" });
  try {
    const { ok, status } = await fetch(file, { method: "HEAD", cache: "no-store" });
    return ok ? error : found(BAD_HTTP_STATUS, status);
  } catch {
    return found(HTTP_ERROR);
  }
}

export function describe(error: unknown): Failure {
  if (error instanceof MediaError) return mediaFailure(error.code, error.message);
  if (!isShakaError(error)) return { kind: "unknown", code: "0", detail: String(error) };
  const code = String(error.code);
  if (error.code === BAD_HTTP_STATUS) {
    const status = Number(error.data?.[1] ?? 0);
    const detail = `HTTP ${status}`;
    if (status === 401 || status === 403) return { kind: "forbidden", code: `${code}/${status}`, detail };
    if (status === 404 || status === 410) return { kind: "gone", code: `${code}/${status}`, detail };
    return { kind: status >= 500 ? "server" : "network", code: `${code}/${status}`, detail };
  }
  if (error.code === HTTP_ERROR || error.code === TIMEOUT) return { kind: "network", code, detail: "no answer" };
  if (error.code === VIDEO_ERROR) return mediaFailure(Number(error.data?.[0] ?? 0), code);
  if (error.category === NETWORK) return { kind: "network", code, detail: error.message };
  if (error.category === MANIFEST) return { kind: "unsupported", code, detail: error.message };
  if (error.category === MEDIA) return { kind: "decode", code, detail: error.message };
  return { kind: "unknown", code, detail: error.message };
}

function mediaFailure(code: number, detail: string): Failure {
  if (code === MediaError.MEDIA_ERR_NETWORK) return { kind: "network", code: `media/${code}`, detail };
  if (code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) return { kind: "unsupported", code: `media/${code}`, detail };
  return { kind: "decode", code: `media/${code}`, detail };
}

export function words(failure: Failure, strings: Strings): string {
  return {
    network: strings.errorNetwork,
    forbidden: strings.errorForbidden,
    gone: strings.errorGone,
    unsupported: strings.errorUnsupported,
    decode: strings.errorDecode,
    server: strings.errorServer,
    unknown: strings.errorUnknown,
  }[failure.kind];
}
