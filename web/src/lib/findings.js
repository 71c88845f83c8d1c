// What the open findings say of each sign.
import { rank, signOf, wordOf } from './words.js'

/** Findings that ask for attention: neither acknowledged nor silenced. */
export function isQuiet(f, now = Date.now()) {
  return Boolean(f.acknowledged) || (f.silenced_until ? Date.parse(f.silenced_until) > now : false)
}

/** The worst first, then the oldest. */
export const order = (list) => [...list].sort((a, b) => rank(b.severity) - rank(a.severity) || (a.since < b.since ? -1 : 1))

/** What a finding says in a word: a daemon that was seen to run is not down. */
const word = (f) => (f.over ? 'back, watched' : wordOf(f.code))

/**
 * The verdict of one sign in a word: from its worst open finding, from a
 * consequence that another sign's finding lists, else from where its figure
 * lies, or what is aside of that. Not normal is no incident, and takes no colour.
 * @returns {{word: string, level: string, finding: object|null, follows: boolean}}
 */
export function verdict(sign, findings, { unknown = '', judged = true, now = null, normal = null, aside = '' } = {}) {
  const own = order(findings.filter((f) => signOf(f.code) === sign && rank(f.severity) > 1))
  if (own.length) return { word: word(own[0]), level: own[0].severity, finding: own[0], follows: false }
  for (const f of order(findings)) {
    const folded = order((f.folded ?? []).filter((c) => signOf(c.code) === sign && rank(c.severity) > 1 && !c.end))
    if (folded.length) return { word: word(folded[0]), level: folded[0].severity, finding: f, follows: true }
  }
  if (unknown) return { word: 'unknown', level: 'unknown', finding: null, follows: false }
  if (!judged) return { word: 'not judged', level: 'unknown', finding: null, follows: false }
  return { word: aside || place(now, normal), level: 'ok', finding: null, follows: false }
}

/** Where a figure lies without being an incident, by the range as it is shown: in whole numbers, rounded outwards. */
function place(now, normal) {
  if (now == null || !normal) return 'normal'
  return now > Math.ceil(normal.high - 1e-9) ? 'above normal' : 'normal' // few failures and a short queue are no news
}

/** Less sent a minute than is normal, in words; "" when it is not, or not known. */
export function fewOf(sent, normal) {
  if (sent == null || !normal || sent >= Math.floor(normal.low * 0.9)) return ''
  return sent < 0.5 ? 'nothing sent' : 'few sent'
}

/** Applies one change of the event stream to the open findings. What it lists under it is not listed apart. */
export function applyChange(open, change) {
  const gone = new Set([change.finding.id, ...(change.finding.folded ?? []).map((c) => c.id)])
  const rest = open.filter((f) => !gone.has(f.id))
  return change.kind === 'resolved' ? rest : order([...rest, change.finding])
}
