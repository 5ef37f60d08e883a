// The REST API, which everything in the console comes from.

import { t } from "./text.js";

/// A refusal: `message` is the one sentence that people get to see.
export class Problem extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

let onSignedOut = () => {};
/// `run` is called when the server does not know the caller any more.
export function whenSignedOut(run) {
  onSignedOut = run;
}

async function read(response) {
  const type = response.headers.get("Content-Type") ?? "";
  if (response.status === 204) return null;
  if (!type.includes("json")) return response.text();
  return response.json();
}

function sentenceOf(response, content) {
  if (typeof content?.detail === "string" && content.detail !== "") return content.detail;
  if (typeof content?.title === "string" && content.title !== "") return content.title;
  return t("error.status", { status: response.status });
}

/// Fails with a Problem. `query`: empty values are left out.
async function call(method, path, { query, body } = {}) {
  const address = new URL(`/api/v1${path}`, location.origin);
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined && value !== null && value !== "") address.searchParams.set(name, value);
  // The header tells the server that a page of its own asks: other sites cannot send it.
  const request = { method, headers: { Accept: "application/json", "X-SKS-Request": "1" }, cache: "no-store" };
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let response;
  let content;
  try {
    response = await fetch(address, request);
    content = await read(response);
  } catch {
    throw new Problem(0, t("error.network"));
  }
  if (response.ok) return content;
  const problem = new Problem(response.status, sentenceOf(response, content));
  if (response.status === 401 && path !== "/login") onSignedOut(problem);
  throw problem;
}

export const get = (path, query) => call("GET", path, { query });
/// Without `body` nothing is sent: the server refuses a body where it expects none.
export const post = (path, body) => call("POST", path, { body });
export const remove = (path) => call("DELETE", path);

/// A path with values in it that the server or a person has named.
export function at(strings, ...values) {
  return String.raw({ raw: strings }, ...values.map(encodeURIComponent));
}
