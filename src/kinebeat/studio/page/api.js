// What the page asks of the studio, and how it is refused.

import { sentence } from "./words.js";

export class Refusal extends Error {
  constructor(status, problem, remedy) {
    super([problem, remedy].filter(Boolean).map(sentence).join(" "));
    this.status = status;
  }
}

const silent = () => new Refusal(0, "the studio does not answer", "see whether it is still running");

function login() {
  location.assign("login");
}

function refusal(status, text) {
  try {
    const { problem, remedy } = JSON.parse(text);
    if (problem) return new Refusal(status, problem, remedy);
  } catch {
    // Not one of the studio's own answers.
  }
  return new Refusal(status, `the studio answered with ${status}`, "try again");
}

// An answer as a Response; throws a Refusal, or an AbortError if `signal` says so.
export async function fetched(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    throw error.name === "AbortError" ? error : silent();
  }
  if (answer.ok) return answer;
  if (answer.status === 401) login();
  throw refusal(answer.status, await answer.text());
}

// The JSON that is answered; undefined where there is none.
export async function ask(method, path, body) {
  const content = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const answer = await fetched(path, { method, ...content });
  return answer.status === 204 ? undefined : answer.json();
}

// Send a file. `report` is called with the share that has gone up; abort by `signal`.
export function upload(file, options, report, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `api/jobs?${new URLSearchParams({ name: file.name, ...options })}`);
    request.upload.onprogress = ({ loaded, total }) => report(total ? loaded / total : 0);
    request.onload = () => {
      if (request.status === 401) login();
      if (request.status === 201) resolve(JSON.parse(request.responseText));
      else reject(refusal(request.status, request.responseText));
    };
    request.onerror = () => reject(silent());
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

export const jobPath = (id) => `api/jobs/${encodeURIComponent(id)}`;
export const variantPath = (id, number) => `${jobPath(id)}/variants/${number}`;
