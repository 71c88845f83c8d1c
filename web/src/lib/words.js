// The vocabulary as the page says it.

/** The four vital signs, in their order. */
export const SIGNS = [
  { id: 'queues', title: 'Queues', path: '/queues' },
  { id: 'failures', title: 'Failures', path: '/failures' },
  { id: 'connections', title: 'Connections', path: '/connections' },
  { id: 'daemons', title: 'Daemons', path: '/daemons' },
]

// code: [sign, the verdict in a word]. Traffic is drawn where failures are.
const CODES = {
  'queue-growing': ['queues', 'growing'],
  'queue-not-draining': ['queues', 'not draining'],
  'queue-old-mail': ['queues', 'old mail'],
  'mail-held': ['queues', 'mail held'],
  'disk-filling': ['queues', 'disk filling'],
  'destination-timing-out': ['failures', 'timing out'],
  'destination-refusing': ['failures', 'refused'],
  'provider-throttling': ['failures', 'throttled'],
  blocklisted: ['failures', 'blocklisted'],
  'own-dns-dead': ['failures', 'no DNS'],
  'network-broken': ['failures', 'no network'],
  'own-resource-failing': ['failures', 'our own fault'],
  'bounce-surge': ['failures', 'bouncing'],
  'flood-one-source': ['connections', 'flooded'],
  'flood-many-sources': ['connections', 'flooded'],
  'syn-backlog': ['connections', 'half-open flood'],
  'close-wait-leak': ['connections', 'leaking'],
  'accept-queue-overflow': ['connections', 'overflowing'],
  'server-process-overage': ['connections', 'too old'],
  'process-limit-reached': ['connections', 'at its limit'],
  'dispatcher-down': ['daemons', 'dispatcher down'],
  'job-controller-down': ['daemons', 'job controller down'],
  'daemon-duplicate': ['daemons', 'doubled'],
  'daemon-flapping': ['daemons', 'restarting'],
  'mail-stopped': ['failures', 'no mail'],
  'sender-burst': ['failures', 'sender burst'],
  'mail-loop': ['failures', 'mail loop'],
  'blind-spot': ['monitor', 'blind'],
}

export const signOf = (code) => CODES[code]?.[0] ?? 'monitor'
export const wordOf = (code) => CODES[code]?.[1] ?? String(code)

const RANK = { critical: 3, warning: 2, info: 1 }
export const rank = (severity) => RANK[severity] ?? 0
export const SEVERITY = { critical: 'Critical', warning: 'Warning', info: 'Info' }

/** Whose fault a cause is, in the page's words. */
export const SCOPES = {
  us: 'us',
  path: 'the network',
  them: 'their site',
  recipient: 'recipient',
  message: 'message',
}
export const SCOPE_ORDER = ['us', 'path', 'them', 'recipient', 'message', '']

export const STATES = [
  'established', 'syn-recv', 'syn-sent', 'close-wait', 'last-ack', 'fin-wait-1', 'fin-wait-2', 'closing', 'close', 'time-wait',
]

export const ROLES = ['dispatcher', 'job-controller', 'smtp-server', 'delivery', 'other']

/** What a letter of a process state means. */
export const PROCESS_STATES = {
  R: 'running', S: 'sleeping', D: 'waiting for disk', T: 'stopped', Z: 'ended, not collected', I: 'idle', t: 'stopped by a tracer',
}
