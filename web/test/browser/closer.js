// Looking closer at what the dashboard shows: messages, replies, traces, hostile text, sources.
import assert from 'node:assert/strict'
import net from 'node:net'
import { describe, test } from 'node:test'
import { axe, until } from './lab.js'

/** The tests, of a lab that runs; at opens a page of it for one test. */
export function lookingCloser({ lab, at, text, exactly }) {
  describe('looking closer', () => {
    test('from a destination to its messages to the life of one', async (t) => {
      const { destination, message } = await lab.stuck('127.20.0.250')
      const page = await at(t, '/queues')
      await page.getByRole('button', { name: destination, exact: true }).click()
      const row = page.locator('.messages tbody tr').filter({ has: page.getByRole('link', { name: message.queue_id, exact: true }) })
      await row.locator('.reply').waitFor()
      assert.ok(message.recipients[0].reason.length > 10)
      assert.equal(await row.locator('.reply').innerText(), message.recipients[0].reason)
      assert.equal(await page.locator('.messages tbody tr').count(), 1)
      assert.deepEqual(await axe(page), [])
      await row.locator('a').click()
      await page.waitForURL((url) => url.pathname === '/trace' && url.searchParams.get('q') === message.queue_id)
      const line = page.locator('.timeline')
      await line.getByText('received', { exact: true }).first().waitFor()
      await line.getByText('put off', { exact: true }).first().waitFor()
      assert.deepEqual(await axe(page), [])
    })

    test('a list of messages says what it leaves out, and does not grow stale', async (t) => {
      const list = await lab.get('queue/messages')
      const item = (id, minutes) => ({ ...list.messages[0], instance: lab.instance.name, queue_id: id, queue: 'tcp_local', sender: '', recipients: [], size: 1, arrived: new Date(Date.now() - minutes * 60000).toISOString() })
      let answer = { ...list, more: true, messages: [item('A', 3), item('B', 2), item('C', 1), item('A', 3)] }
      const page = await at(t, '/')
      await page.clock.install()
      await page.route('**/api/v1/queue/messages*', (r) => r.fulfill(answer ? { json: answer } : { status: 503, json: { error: 'the queue is not there' } }))
      await page.goto(lab.api + '/queues?queue=tcp_local')
      const ids = async () => (await page.locator('.messages tbody th').allInnerTexts()).join('')
      await until('the first answer', async () => (await ids()) === 'ABC')
      await page.getByText('the 3 oldest of more').waitFor()
      page.allowed.push('503')
      answer = null
      await page.clock.fastForward(11000)
      await page.getByText('the queue is not there').waitFor()
      answer = { ...list, more: false, messages: [item('C', 1), item('D', 0)] }
      await page.clock.fastForward(11000)
      await until('a list that is read again', async () => (await ids()) === 'CD')
    })

    test('an answer that takes long is waited for, and asked for once', async (t) => {
      const page = await at(t, '/')
      await page.clock.install()
      const asked = []
      await page.route('**/api/v1/failures?*', (r) => asked.push(r))
      await page.goto(lab.api + '/failures')
      await until('the question', () => asked.length)
      for (let k = 0; k < 3; k++) {
        await page.clock.fastForward(11000)
        await page.evaluate(() => new Promise((done) => setTimeout(done, 50)))
      }
      assert.equal(asked.length, 1)
      await asked[0].continue()
      await page.getByText(/failed and .* sent in the last/).waitFor()
      await until('the question again, for it is old by now', () => asked.length === 2)
    })

    test('from a cause to what was said, and whose fault it is', async (t) => {
      // What failed stays in the table for an hour: this very cell will be there.
      const one = await until('a failure', async () => (await lab.get('failures?window=1h&top=200')).failures.find((r) => r.scope && r.reply))
      const page = await at(t, '/failures')
      await page.getByRole('button', { name: exactly(`${one.cause} at ${one.destination}`, '\\d+ ') }).click()
      await page.waitForURL(/cause=/)
      const rows = page.locator('section[aria-labelledby=fail-replies] tbody tr')
      await rows.nth(1).waitFor({ state: 'detached' })
      assert.equal(await rows.count(), 1)
      const cells = await rows.first().locator('th, td').allInnerTexts()
      const fault = { us: 'us', path: 'the network', them: 'their site', recipient: 'recipient', message: 'message' }[one.scope]
      assert.deepEqual(cells.slice(0, 3), [one.destination, one.cause, fault])
      assert.ok(cells[5].length > 10, cells[5])
    })

    test('a trace shows its progress and can be cancelled', async (t) => {
      const page = await at(t, '/trace')
      // The answer is held up after its first lines, as when logs are long.
      await page.route('**/api/v1/trace*', () => {})
      await page.locator('#trace-text').fill('practice.example')
      await page.getByRole('button', { name: 'Trace', exact: true }).click()
      await page.locator('progress').waitFor()
      await page.getByRole('button', { name: 'Cancel' }).click()
      await page.getByText('Cancelled').waitFor()
      await page.unroute('**/api/v1/trace*')
      await page.getByRole('button', { name: 'Trace', exact: true }).click()
      await page.getByText(/\d+ messages?, \d+ steps?, in \d+ logs?/).waitFor()
      await page.locator('.life-card').first().waitFor()
    })

    test('text of strangers stays text', async (t) => {
      // Through the front door: a Message-ID that is markup.
      const replies = await lab.send('mallory@hostile.example', ['carl@practice.example'], 'img/src=x/onerror=alert`1`//@hostile.example')
      assert.match(replies.at(-1), /^250/)
      // The practice sites say nothing of the kind, so the log does: a sender and a reply that are markup.
      await lab.fail('EVIL', '"<img/src=x/onerror=alert(2)>"@hostile.example', 'evil.example', '452 4.2.2 <script>alert(3)</script><b>refused</b>')
      await until('the failure', async () => (await lab.get('failures?top=100')).failures.some((r) => r.reply.includes('<script>')))
      const page = await at(t, '/failures')
      await page.getByText('<script>alert(3)</script><b>refused</b>').first().waitFor()
      await page.goto(lab.api + '/trace?q=' + encodeURIComponent('hostile.example'))
      await page.getByText(/^\d+ messages?, \d+ steps?, in/).waitFor()
      for (const evil of ['<img/src=x/onerror=alert`1`//@hostile.example>', '<img/src=x/onerror=alert(2)>', '<script>alert(3)</script>']) await page.getByText(evil).first().waitFor({ state: 'attached' })
      for (const raw of await page.locator('.life-card .raw > summary').all()) if (await raw.isVisible()) await raw.click()
      assert.equal(await page.locator('main img, main script').count(), 0)
      assert.equal(await page.locator('main b', { hasText: 'refused' }).count(), 0)
      await page.goto(lab.api + '/trace?q=' + encodeURIComponent('<img src=x onerror=alert(5)>'))
      await page.getByText(/^0 messages/).waitFor()
      await page.goto(lab.api + '/findings/' + encodeURIComponent('<img src=x onerror=alert(6)>'))
      await page.getByText('No finding has this address').waitFor()
    })

    test('sources, limits and daemons', async (t) => {
      const held = [1, 2, 3, 4, 5].map(() => net.connect(lab.smtp, '127.0.0.1').on('error', () => {}))
      t.after(() => held.forEach((c) => c.destroy()))
      await until('connections', async () => (await lab.get('connections?top=2000')).connections.some((c) => c.remote === '127.0.0.1' && c.local_port === lab.smtp && c.state === 'established' && c.count >= 5))
      const page = await at(t, '/connections')
      const source = page.locator('section[aria-labelledby=conn-table] tbody tr').filter({ has: page.getByRole('rowheader', { name: '127.0.0.1', exact: true }) })
      await source.filter({ hasText: /established ([5-9]|\d\d)/ }).locator('.mix').waitFor()
      await page.locator('.tile').filter({ hasText: new RegExp(`Port ${lab.smtp} `) }).getByText(/of \d+ connections/).waitFor()
      await page.goto(lab.api + '/daemons')
      await page.getByText('/lib/dispatcher').first().waitFor()
      await page.locator('.lifelines').getByText('dispatcher', { exact: true }).waitFor()
    })
  })
}
