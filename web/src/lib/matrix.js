import { SCOPE_ORDER } from './words.js'

/**
 * Failures as a table of destination and cause, the most first.
 * @param {Array} rows of the API: {destination, cause, scope, deferred, bounced, sent, normal}
 * @param {number} minutes what they were counted in; NaN when unknown
 */
export function matrix(rows, minutes) {
  const causes = new Map()
  const places = new Map()
  const scopes = new Map()
  for (const r of rows) {
    const n = r.deferred + r.bounced
    const c = causes.get(r.cause) ?? { cause: r.cause, scope: r.scope, count: 0 }
    c.count += n
    causes.set(r.cause, c)
    scopes.set(r.scope, (scopes.get(r.scope) ?? 0) + n)
    const p = places.get(r.destination) ?? { destination: r.destination, failed: 0, sent: r.sent, normal: r.normal ?? null, by: {} }
    p.failed += n
    p.sent = Math.max(p.sent, r.sent)
    p.by[r.cause] = (p.by[r.cause] ?? 0) + n
    places.set(r.destination, p)
  }
  const list = [...places.values()].sort((a, b) => b.failed - a.failed || a.destination.localeCompare(b.destination))
  for (const p of list) {
    p.rate = minutes > 0 ? p.failed / minutes : NaN
    p.over = Boolean(p.normal && p.rate > p.normal.high)
  }
  return {
    rows: list,
    causes: [...causes.values()].sort((a, b) => SCOPE_ORDER.indexOf(a.scope) - SCOPE_ORDER.indexOf(b.scope) || b.count - a.count),
    scopes: [...scopes].map(([scope, count]) => ({ scope, count })).sort((a, b) => SCOPE_ORDER.indexOf(a.scope) - SCOPE_ORDER.indexOf(b.scope)),
    most: Math.max(0, ...list.flatMap((p) => Object.values(p.by))),
  }
}
