// Steps of a trace joined into the lives of messages.

/** Gathers steps by queue id, in the order of their time. */
export class Gather {
  #lives = new Map()

  /** @param {{source: string, line: string, event: object}} step */
  add(step) {
    const e = step.event
    const key = `${e.instance ?? ''} ${e.queue_id || e.message_id || e.client?.ip || 'none'}`
    let life = this.#lives.get(key)
    if (!life) this.#lives.set(key, (life = { key, id: e.queue_id ?? '', instance: e.instance ?? '', steps: [] }))
    life.steps.push({ time: Date.parse(e.time), source: step.source, line: step.line, event: e })
  }

  /** The lives, the newest first, each with what is known of it. */
  list() {
    return [...this.#lives.values()].map(describe).sort((a, b) => b.begin - a.begin)
  }
}

function describe(life) {
  const steps = [...life.steps].sort((a, b) => a.time - b.time)
  const first = (pick) => steps.map((s) => pick(s.event)).find(Boolean) ?? ''
  const deliveries = steps.filter((s) => s.event.kind === 'delivery')
  const last = deliveries.at(-1)?.event
  return {
    ...life,
    steps,
    begin: steps[0].time,
    end: steps.at(-1).time,
    from: first((e) => (e.null_sender ? '<>' : e.from)),
    messageId: first((e) => e.message_id),
    to: [...new Set(steps.map((s) => s.event.to).filter(Boolean))],
    outcome: last?.status ?? (steps.some((s) => s.event.kind === 'reject') ? 'rejected' : ''),
    cause: last && last.status !== 'sent' ? (last.cause ?? '') : '',
    tries: deliveries.length,
  }
}

/** What one step was, in a few words. */
export function told(e) {
  switch (e.kind) {
    case 'delivery':
      return { sent: 'sent', deferred: 'put off', bounced: 'bounced', expired: 'given up' }[e.status] ?? e.status ?? 'delivery'
    case 'received':
    case 'origin':
      return 'received'
    case 'reject':
      return `refused${e.stage ? ' at ' + e.stage : ''}`
    case 'removed':
      return 'left the queue'
    case 'notification':
      return 'notification'
    case 'held':
      return 'held'
    default:
      return e.kind ?? ''
  }
}

/** Who took part in a step: the peer's name and address. */
export function peer(e) {
  const p = e.relay ?? e.client
  if (!p) return ''
  const name = [p.name, p.ip && p.ip !== p.name ? `[${p.ip}]` : '', p.path].filter(Boolean).join(' ')
  return name + (p.port ? `:${p.port}` : '')
}
