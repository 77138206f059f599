// Talking to the service.

const SILENCE = 90_000; // milliseconds after which a service that does not answer counts as gone

/** A request without an answer; `kind` is "refused" (it said why), "gone" or "unreadable". */
export class ServiceError extends Error {
  constructor(kind, message, { status = 0, code = "", requestId = "", retryAfter = null } = {}) {
    super(message);
    this.kind = kind;
    this.status = status;
    this.code = code;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may do better in a while. */
  get passing() {
    return this.kind === "gone" || [502, 503].includes(this.status);
  }
}

const own = (path) => new URL(path, document.baseURI);

/** Ask the service, and return its JSON; throws ServiceError, or AbortError when `signal` says stop. */
export async function ask(path, { body, key, signal } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (key) headers.authorization = `Bearer ${key}`;
  const patience = AbortSignal.timeout(SILENCE);
  const settings = { headers, cache: "no-store", credentials: "same-origin", redirect: "error" };
  let response;
  let answer;
  try {
    response = await fetch(own(path), {
      ...settings,
      method: body === undefined ? "GET" : "POST",
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
    answer = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServiceError("gone", "The service does not answer.");
  }
  let value = null;
  try {
    value = JSON.parse(answer);
  } catch {
    // A proxy's page, perhaps; what follows says what the status alone tells.
  }
  if (response.ok && value !== null && typeof value === "object") return value;
  if (response.ok) throw new ServiceError("unreadable", "The service's answer cannot be read.");
  const { code = "", message } = value?.error ?? {};
  const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  throw new ServiceError("refused", String(message || `The service answers ${response.status} and gives no reason.`), {
    status: response.status,
    code: String(code),
    requestId: String(value?.request_id ?? response.headers.get("x-request-id") ?? ""),
    retryAfter: Number.isNaN(seconds) ? null : seconds,
  });
}

/** Tell whether the service is there and ready. */
export async function ready() {
  try {
    const response = await fetch(own("health/ready"), { cache: "no-store", signal: AbortSignal.timeout(5000) });
    return response.ok;
  } catch {
    return false;
  }
}

/** Check an answer to one text, and return its only result; throws ServiceError. */
export function resultOf(answer, places) {
  const fits = (entity) =>
    typeof entity?.label === "string" &&
    typeof entity.score === "number" &&
    places(entity.start) < places(entity.end);
  const result = answer.results?.[0];
  if (!Array.isArray(result?.entities) || !result.entities.every(fits)) {
    throw new ServiceError("unreadable", "The service's answer does not fit the text.");
  }
  return result;
}
