import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lines } from '../../src/lib/api.js'
import { area, coarser, layout, mirror, sparkline, stack } from '../../src/lib/chart.js'
import { applyChange, fewOf, isQuiet, verdict } from '../../src/lib/findings.js'
import { growth } from '../../src/lib/growth.js'
import { Gather } from '../../src/lib/lives.js'
import { within } from '../../src/lib/marks.js'
import { matrix } from '../../src/lib/matrix.js'
import { bySource } from '../../src/lib/sources.js'

const chart = (over) => ({ times: [60, 120, 180], values: [1, null, 3], low: [0, 0, 0], high: [5, 5, 5], direction: 'up', ...over })

test('a chart downwards is negated with its band, and gaps stay gaps', () => {
  const { data, bands } = layout([chart(), chart({ direction: 'down' })], 2)
  assert.deepEqual(data.at(-1), [-2, null, -6])
  assert.equal(bands.length, 2)
})

test('parts are laid on each other; what is unknown adds nothing', () => {
  assert.deepEqual(stack([[1, null, 2], [3, 4, null]]), [[1, null, 2], [4, 4, 2]])
})

test('fewer points keep what is far outside, else the middle', () => {
  const c = chart({ times: [1, 2, 3, 4, 5, 6], values: [1, 2, 99, 3, 4, null], low: Array(6).fill(0), high: Array(6).fill(5) })
  assert.deepEqual(coarser(c, 2).values, [99, 3])
  assert.deepEqual(coarser(chart({ values: [null, null, null] }), 1).values, [null])
})

test('successes and failures have their own scales and a common zero', () => {
  const m = mirror([chart({ values: [200] }), chart({ values: [20], direction: 'down' })])
  assert.ok(m.min < 0 && m.max > 200 && m.splits.includes(0))
  assert.ok(Math.abs(m.min) / (m.max - m.min) > 0.35)
})

test('a line with gaps is a path of pieces', () => {
  assert.equal(sparkline([0, null, 1], 10, 10, 1), 'M0.0 10.0M10.0 0.0')
})

test('no area stands where nothing is known', () => {
  assert.equal(area([1, 1, null, 1, null], 8, 10, 1), 'M0.0 0.0L2.0 0.0L2.0 10L0.0 10ZM6.0 0.0L6.0 10L6.0 10Z')
  assert.equal(area([null, null], 8, 10, 1), '')
})

test('the verdict of a sign', () => {
  const f = { code: 'job-controller-down', severity: 'critical', since: '2026-01-01T00:00:00Z', folded: [{ code: 'queue-not-draining', severity: 'warning' }] }
  assert.equal(verdict('daemons', [f]).word, 'job controller down')
  assert.equal(verdict('daemons', [{ ...f, over: '2026-01-01T00:02:00Z' }]).word, 'back, watched')
  assert.deepEqual([verdict('queues', [f]).word, verdict('queues', [f]).follows], ['not draining', true])
  assert.equal(verdict('failures', [f]).word, 'normal')
  assert.equal(verdict('failures', [], { unknown: 'no log' }).word, 'unknown')
  assert.equal(verdict('queues', [], { now: 9, normal: { low: 1, high: 5 } }).word, 'above normal')
  assert.equal(verdict('queues', [], { now: 6, normal: { low: 1, high: 5.2 } }).word, 'normal', 'the range is shown as 1–6')
  assert.equal(verdict('queues', [], { judged: false }).level, 'unknown')
})

test('an incident is drawn within the plot, and wide enough to be seen', () => {
  const at = (from, to) => within(from, to, 40, 100, 3)
  assert.deepEqual(at(60, 80), { x: 60, w: 20 })
  assert.deepEqual(at(60, 60.2), { x: 60, w: 3 })
  assert.deepEqual(at(139.5, 140), { x: 137, w: 3 })
  assert.deepEqual(at(10, 41), { x: 40, w: 3 })
  assert.deepEqual(at(10, Infinity), { x: 40, w: 100 })
  assert.deepEqual(at(10, 500), { x: 40, w: 100 })
  assert.deepEqual([at(10, 39), at(141, 150), at(NaN, 80)], [null, null, null])
})

test('few sent, against what is normal', () => {
  const normal = { low: 10, high: 20 }
  assert.deepEqual([8, 0, 9, 30].map((n) => fewOf(n, normal)), ['few sent', 'nothing sent', '', ''])
  assert.deepEqual([fewOf(null, normal), fewOf(0, null)], ['', ''])
})

test('changes of findings', () => {
  const a = { id: 'a', severity: 'warning', since: '1' }
  const b = { id: 'b', severity: 'critical', since: '2' }
  assert.deepEqual(applyChange([a], { kind: 'opened', finding: b }).map((f) => f.id), ['b', 'a'])
  assert.deepEqual(applyChange([a, b], { kind: 'resolved', finding: b }), [a])
  assert.deepEqual(applyChange([a], { kind: 'opened', finding: { ...b, folded: [a] } }).map((f) => f.id), ['b'])
  assert.equal(isQuiet({ silenced_until: '2026-01-01T00:00:00Z' }, Date.parse('2026-01-02')), false)
  assert.equal(isQuiet({ acknowledged: { at: 'x' } }), true)
})

test('growth of what was not known is none', () => {
  assert.equal(growth(5, undefined).arrow, '')
  assert.equal(growth(12, 2).text, '+10')
  assert.equal(growth(12, 2).big, true)
  assert.equal(growth(1, 3).text, '\u22122')
})

test('failures become a table, the most first', () => {
  const m = matrix([
    { destination: 'b.example', cause: 'greylisted', scope: 'them', deferred: 1, bounced: 0, sent: 4 },
    { destination: 'a.example', cause: 'dns-failure', scope: 'us', deferred: 5, bounced: 1, sent: 0, normal: { low: 0, high: 0.05 } },
  ], 60)
  assert.deepEqual(m.rows.map((r) => [r.destination, r.failed, r.over]), [['a.example', 6, true], ['b.example', 1, false]])
  assert.deepEqual(m.causes.map((c) => c.cause), ['dns-failure', 'greylisted'])
  assert.ok(Number.isNaN(matrix([{ destination: 'a', cause: 'loop', scope: '', deferred: 1, bounced: 0, sent: 0 }], NaN).rows[0].rate))
})

test('connections by source', () => {
  assert.deepEqual(bySource([{ remote: 'x', state: 'established', count: 1 }, { remote: 'y', state: 'established', count: 2 }, { remote: 'x', state: 'time-wait', count: 4 }]).map((r) => [r.remote, r.total]), [['x', 5], ['y', 2]])
})

test('steps of a trace are joined by queue id', () => {
  const g = new Gather()
  const step = (time, event) => g.add({ source: 'log', line: 'text', event: { time, queue_id: 'A', ...event } })
  step('2026-01-01T00:00:02Z', { kind: 'delivery', status: 'deferred', to: 'b@example.net', cause: 'greylisted' })
  step('2026-01-01T00:00:01Z', { kind: 'received', null_sender: true })
  const [life] = g.list()
  assert.deepEqual([life.from, life.outcome, life.cause, life.steps.map((s) => s.event.kind)], ['<>', 'deferred', 'greylisted', ['received', 'delivery']])
})

test('a stream of lines, cut anywhere', async () => {
  const bytes = new TextEncoder().encode('{"step":"\u00e4"}\n{"summary":1}\n')
  const parts = new ReadableStream({
    start(c) {
      for (const b of bytes) c.enqueue(new Uint8Array([b]))
      c.close()
    },
  })
  const got = []
  for await (const l of lines(parts)) got.push(l)
  assert.deepEqual(got, [{ step: '\u00e4' }, { summary: 1 }])
})
