// Requests to the daemon. Only to the page's own origin.

const PREFIX = '/api/v1'

/** What the daemon answered instead of what was asked for. */
export class ApiError extends Error {
  constructor(message, status, advice) {
    super(message)
    this.status = status
    this.advice = advice ?? ''
  }
}

async function failure(res) {
  try {
    const body = await res.json()
    return new ApiError(body.error || `status ${res.status}`, res.status, body.advice)
  } catch {
    return new ApiError(`the daemon answered with status ${res.status}`, res.status)
  }
}

/** The path of a question; parameters that are empty are left out, lists repeated. */
export function address(path, params = {}) {
  const q = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    if (value === undefined || value === null || value === '' || value === false) continue
    for (const v of Array.isArray(value) ? value : [value]) q.append(name, v)
  }
  const text = q.toString()
  return PREFIX + path + (text ? '?' + text : '')
}

/** Asks and gives the answer as plain data. */
export async function get(path, params, signal) {
  const res = await fetch(address(path, params), { signal, headers: { Accept: 'application/json' }, cache: 'no-store' })
  if (!res.ok) throw await failure(res)
  return res.json()
}

/** Changes something; csrf is the token that GET /session gave. */
export async function send(method, path, body, csrf) {
  const headers = { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf ?? '' }
  const res = await fetch(PREFIX + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
  if (!res.ok) throw await failure(res)
  return res.status === 204 ? null : res.json().catch(() => null)
}

/** Login and logout stand outside the API. */
export async function post(path, body, csrf) {
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json', 'X-CSRF-Token': csrf ?? '' }
  const res = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) })
  if (!res.ok) throw await failure(res)
}

/** Splits a stream of bytes into lines of JSON. The last line may lack its end. */
export async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    const parts = (rest + value).split('\n')
    rest = parts.pop()
    for (const line of parts) if (line) yield JSON.parse(line)
  }
  if (rest) yield JSON.parse(rest)
}

/** A trace: its lines as they come, {step}, {progress}, {summary} or {error}. */
export async function* trace(params, signal) {
  const res = await fetch(address('/trace', params), { signal, cache: 'no-store' })
  if (!res.ok) throw await failure(res)
  let ended = false
  for await (const line of lines(res.body)) {
    ended = ended || Boolean(line.summary || line.error)
    yield line
  }
  if (!ended) throw new ApiError('the answer was cut before its end', 0, 'ask again')
}
