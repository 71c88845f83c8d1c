/**
 * Connections as one row a remote address, the most first.
 * @param {Array<{remote: string, state: string, count: number}>} list
 */
export function bySource(list) {
  const rows = new Map()
  for (const c of list) {
    const r = rows.get(c.remote) ?? { remote: c.remote, total: 0, states: {} }
    r.total += c.count
    r.states[c.state] = (r.states[c.state] ?? 0) + c.count
    rows.set(c.remote, r)
  }
  return [...rows.values()].sort((a, b) => b.total - a.total || (a.remote < b.remote ? -1 : 1))
}
