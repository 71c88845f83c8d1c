import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { axe, browser, dist, Lab, open, sleep, until } from './lab.js'

const VIEWS = ['/', '/queues', '/failures', '/connections', '/daemons', '/trace', '/findings', '/blind-spots']
const lab = new Lab()
let chrome

// The page of another address; it is closed with its test.
async function at(t, path, options) {
  const page = await open(chrome, lab.api + path, options)
  t.after(async () => {
    const wrongs = page.wrongs
    await page.context().close()
    assert.deepEqual(wrongs, [])
  })
  return page
}
const text = (page, selector) => page.locator(selector).first().innerText()

before(async () => {
  chrome = await browser()
  await lab.start()
})
after(async () => {
  await chrome?.close()
  await lab.stop()
})

describe('a healthy host', () => {
  test('the first screen is calm, complete and quick', async (t) => {
    const page = await at(t, '/')
    await page.locator('.panel .uplot').nth(2).waitFor()
    assert.match(await text(page, '.calm-word'), /All is well/)
    assert.equal(await page.locator('.panel').count(), 4)
    for (const word of await page.locator('.panel .verdict').allInnerTexts()) assert.match(word, /normal|few sent|nothing sent/)
    const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime)
    t.diagnostic(`first contentful paint ${Math.round(paint)} ms`)
    assert.ok(paint < 1000, `first paint after ${paint} ms`)
  })

  test('the policy is strict and the script small', async (t) => {
    const res = await fetch(lab.api + '/')
    const policy = res.headers.get('content-security-policy')
    assert.match(policy, /default-src 'none'/)
    assert.doesNotMatch(policy, /unsafe|\*|https?:/)
    const scripts = readdirSync(dist + 'assets').filter((f) => f.endsWith('.js'))
    const size = scripts.reduce((n, f) => n + gzipSync(readFileSync(dist + 'assets/' + f)).length, 0)
    t.diagnostic(`script ${size} bytes gzipped`)
    assert.ok(size < 120_000)
  })

  test('14 days are drawn within 100 ms', async (t) => {
    const page = await at(t, '/')
    await page.getByRole('button', { name: 'last 14 days' }).click()
    await page.waitForURL(/range=14d/)
    const points = await until('the charts of 14 days', async () => {
      const c = await lab.get('chart?sign=queues&range=14d')
      return c.charts[0].values.filter((v) => v !== null).length > 1000 && c.charts[0].times.length
    })
    await page.evaluate(() => performance.clearMeasures('chart'))
    await page.getByRole('button', { name: 'last hour' }).click()
    await sleep(500)
    await page.evaluate(() => performance.clearMeasures('chart'))
    await page.getByRole('button', { name: 'last 14 days' }).click()
    await until('drawing', () => page.evaluate(() => performance.getEntriesByName('chart').length >= 3))
    const took = await page.evaluate(() => Math.max(...performance.getEntriesByName('chart').map((m) => m.duration)))
    t.diagnostic(`14 days of ${points} points drawn in ${took.toFixed(1)} ms at most`)
    assert.ok(took < 100, `${took} ms`)
  })

  for (const scheme of ['light', 'dark']) {
    test(`axe finds nothing wrong, ${scheme}`, async (t) => {
      const page = await at(t, '/', { colorScheme: scheme })
      for (const view of VIEWS) {
        await page.goto(lab.api + view)
        await page.locator('main h1, main h2').first().waitFor({ state: 'attached' })
        await sleep(700)
        assert.deepEqual(await axe(page), [], view)
      }
    })
  }

  test('on a phone nothing is wider than the screen', async (t) => {
    const page = await at(t, '/', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true })
    for (const view of VIEWS) {
      await page.goto(lab.api + view)
      await page.locator('main h1').first().waitFor({ state: 'attached' })
      await sleep(500)
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      assert.ok(over <= 0, `${view} is ${over} px too wide`)
      if (view === '/') assert.deepEqual(await axe(page), [])
    }
  })

  test('keys, theme and motion', async (t) => {
    const page = await at(t, '/', { reducedMotion: 'reduce' })
    await page.locator('.panel').first().waitFor()
    await page.keyboard.press('/')
    assert.equal(await page.evaluate(() => document.activeElement.type), 'search')
    await page.keyboard.press('Escape')
    await page.keyboard.press('?')
    assert.ok(await page.locator('dialog[open]').isVisible())
    assert.deepEqual(await axe(page), [])
    await page.keyboard.press('Escape')
    await page.keyboard.press('2')
    await page.waitForURL(/\/queues$/)
    await page.keyboard.press('j')
    await page.waitForURL(/\/failures$/)
    await page.keyboard.press('k')
    await page.waitForURL(/\/queues$/)
    await page.keyboard.press('t')
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark')
    await page.reload()
    await page.locator('main h1').waitFor()
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark')
    assert.equal(await page.locator('.conn .dot').evaluate((e) => getComputedStyle(e).animationName), 'none')
  })
})

describe('looking closer', () => {
  test('from a destination to its messages to the life of one', async (t) => {
    const waiting = await until('a message that waits', async () => {
      const list = (await lab.get('queue?top=20')).detail[0].destinations
      return list.find((d) => /grey|full|closed|deaf/.test(d.destination) && d.reason)
    }, 60000)
    const page = await at(t, '/queues')
    await page.getByRole('button', { name: waiting.destination, exact: true }).click()
    const row = page.locator('.messages tbody tr').first()
    await row.locator('.reply').first().waitFor()
    assert.ok((await row.locator('.reply').first().innerText()).length > 10)
    assert.deepEqual(await axe(page), [])
    await row.locator('a').click()
    await page.waitForURL(/\/trace\?q=/)
    await page.locator('.timeline li').first().waitFor()
    assert.match(await text(page, '.timeline'), /received|put off/)
    assert.deepEqual(await axe(page), [])
  })

  test('from a cause to what was said, and whose fault it is', async (t) => {
    await until('failures', async () => (await lab.get('failures')).failures.length > 1, 60000)
    const page = await at(t, '/failures')
    const cell = page.locator('.cell-button').first()
    await cell.waitFor()
    const name = await cell.getAttribute('aria-label')
    await cell.click()
    await page.waitForURL(/cause=/)
    const [, cause, destination] = name.match(/^\d+ (\S+) at (.+)$/)
    const rows = page.locator('section[aria-labelledby=fail-replies] tbody tr')
    assert.equal(await rows.count(), 1)
    const row = await rows.first().innerText()
    assert.ok(row.includes(cause) && row.includes(destination), row)
    assert.match(row, /us|the network|their site|recipient|message/)
  })

  test('a trace shows its progress and can be cancelled', async (t) => {
    const page = await at(t, '/trace')
    // The answer is held up after its first lines, as when logs are long.
    await page.route('**/api/v1/trace*', () => {})
    await page.locator('#trace-text').fill('practice.example')
    await page.getByRole('button', { name: 'Trace' }).click()
    await page.locator('progress').waitFor()
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('Cancelled').waitFor()
    await page.unroute('**/api/v1/trace*')
    await page.getByRole('button', { name: 'Trace' }).click()
    await page.getByText(/\d+ messages?, \d+ steps?, in \d+ logs?/).waitFor()
    assert.ok((await page.locator('.life-card').count()) > 0)
  })

  test('text of strangers stays text', async (t) => {
    // Through the front door: a Message-ID that is markup.
    const replies = await lab.send('mallory@hostile.example', ['carl@practice.example'], '<img/src=x/onerror=alert(1)>@hostile.example')
    assert.match(replies.at(-1), /^250/)
    // The practice sites say nothing of the kind, so the log does: a sender and a reply that are markup.
    await lab.fail('EVIL', '"<img/src=x/onerror=alert(2)>"@hostile.example', '452 4.2.2 <script>alert(3)</script><b>refused</b>')
    await until('the failure', async () => (await lab.get('failures?top=100')).failures.some((r) => r.reply.includes('<script>')), 30000)
    const page = await at(t, '/failures')
    await page.getByText('<script>alert(3)</script><b>refused</b>').first().waitFor()
    await page.goto(lab.api + '/trace?q=' + encodeURIComponent('hostile.example'))
    await page.getByText('<img/src=x/onerror=alert(2)>').first().waitFor()
    await page.locator('.life-card summary').first().click()
    await page.locator('.life-card summary').last().click()
    assert.match(await text(page, 'main'), /onerror=alert/)
    assert.equal(await page.locator('main img, main script').count(), 0)
    assert.equal(await page.locator('main b', { hasText: 'refused' }).count(), 0)
    await page.goto(lab.api + '/trace?q=' + encodeURIComponent('<img src=x onerror=alert(5)>'))
    await page.getByText(/0 messages/).waitFor()
    await page.goto(lab.api + '/findings/' + encodeURIComponent('<img src=x onerror=alert(6)>'))
    await page.getByText('No finding has this address').waitFor()
  })

  test('sources, limits and daemons', async (t) => {
    const page = await at(t, '/connections')
    await page.locator('table tbody tr .mix').first().waitFor()
    assert.match(await text(page, '.tile'), /of \d+ connections/)
    await page.goto(lab.api + '/daemons')
    await page.getByText('/lib/dispatcher').waitFor()
    assert.match(await text(page, '.lifelines'), /dispatcher/)
  })
})

describe('an incident', () => {
  test('appears on the open page within 2 s of the finding, and can be acknowledged and silenced', async (t) => {
    const page = await at(t, '/')
    await page.locator('.conn.on').waitFor()
    await page.evaluate(() => {
      new MutationObserver(() => {
        if (!window.seen && document.querySelector('[data-code=job-controller-down]')) window.seen = Date.now()
      }).observe(document.body, { childList: true, subtree: true })
    })
    await lab.end('job_controller')
    const card = page.locator('[data-code=job-controller-down]')
    await card.waitFor()
    const seen = await page.evaluate(() => window.seen)
    const f = (await lab.get('findings?code=job-controller-down')).open[0]
    const late = (seen - Date.parse(f.noticed)) / 1000
    t.diagnostic(`on the page ${late.toFixed(2)} s after it was noticed`)
    assert.ok(late < 2, `${late} s`)
    assert.equal(await page.evaluate(() => performance.getEntriesByType('navigation')[0].type), 'navigate')
    assert.match(await text(page, '[data-sign=daemons] .verdict'), /job controller down/)
    assert.match(await page.title(), /job controller/)
    assert.match(await page.locator('[role=log]').innerText(), /job controller/)
    await card.locator('summary').click()
    await card.locator('.proofs li').first().waitFor()
    assert.deepEqual(await axe(page), [])

    await card.getByRole('button', { name: 'Acknowledge' }).click()
    await card.getByLabel('note for others').fill('<i>ann</i> looks at it')
    await card.getByRole('button', { name: 'Acknowledge' }).click()
    await page.locator('.quieted > summary').click()
    await page.locator('.quieted').getByText('<i>ann</i> looks at it').waitFor()
    assert.ok((await lab.get('findings?code=job-controller-down')).open[0].acknowledged)
    await page.locator('.quieted').getByRole('button', { name: 'Take back' }).click()
    await page.locator('.findings > [data-code=job-controller-down]').waitFor()

    await page.goto(`${lab.api}/findings/${f.id}`)
    assert.match(await text(page, 'h1'), /job controller/)
    await page.getByRole('button', { name: 'Silence…' }).click()
    await page.getByLabel('Silence this for').selectOption('4')
    await page.getByRole('button', { name: 'Silence', exact: true }).click()
    await page.getByText('silent until').waitFor()
    await page.goto(lab.api + '/findings')
    await page.getByText('Acknowledged or silenced').waitFor()
    assert.deepEqual(await axe(page), [])
    await page.getByRole('button', { name: 'End it' }).click()
    await until('no silence', async () => (await lab.get('silences')).silences.length === 0)

    await lab.command('start', 'job_controller')
    await page.goto(lab.api + '/')
    await page.locator('[data-code=job-controller-down]').waitFor({ state: 'detached', timeout: 90000 })
  })

  test('a page that lost the daemon says so, and comes back', async (t) => {
    const door = await lab.door()
    t.after(() => door.stop())
    const page = await open(chrome, door.address)
    page.allowed.push('net::ERR')
    await page.locator('.conn.on').waitFor()
    await door.stop()
    await page.locator('.lost').waitFor()
    assert.match(await text(page, '.lost'), /Not connected since \d\d:\d\d:\d\d: what you see is .* old/)
    await door.open()
    await page.locator('.lost').waitFor({ state: 'detached' })
    await page.locator('.conn.on').waitFor()
    assert.deepEqual(page.wrongs, [])
    await page.context().close()
  })

  test('without events it asks by itself', async (t) => {
    const page = await at(t, '/')
    page.allowed.push('net::ERR', 'Failed to load resource')
    await page.route('**/api/v1/events', (r) => r.abort())
    await page.reload()
    await page.getByText('polling').waitFor()
    const first = await text(page, 'footer')
    await until('a newer answer', async () => (await text(page, 'footer')) !== first)
  })
})

describe('with users', () => {
  test('an admin logs in and may change; a viewer looks', async (t) => {
    const users = [
      { name: 'ann', role: 'admin', password: 'correct horse' },
      { name: 'vic', role: 'viewer', password: 'battery staple' },
    ]
    const door = await lab.door(users)
    t.after(() => door.stop())
    await lab.end('job_controller')
    t.after(() => lab.command('start', 'job_controller'))
    for (const [u, may] of [[users[0], true], [users[1], false]]) {
      const page = await open(chrome, door.address + '/queues')
      page.allowed.push('401')
      assert.match(page.url(), /\/login/)
      assert.deepEqual(await axe(page), [])
      const fill = async (password) => {
        await page.locator('input[name=name]').fill(u.name)
        await page.locator('input[name=password]').fill(password)
        await page.getByRole('button', { name: 'Log in' }).click()
      }
      await fill('wrong')
      await page.getByText(/wrong/).first().waitFor()
      await fill(u.password)
      await page.waitForURL(/\/queues$/)
      await page.getByText(`Log out ${u.name}`).waitFor()
      await page.goto(door.address + '/')
      await page.locator('[data-code=job-controller-down]').waitFor({ timeout: 60000 })
      assert.equal((await page.getByRole('button', { name: 'Acknowledge' }).count()) > 0, may, u.name)
      await page.getByText(`Log out ${u.name}`).click()
      await page.waitForURL(/\/login/)
      assert.deepEqual(page.wrongs, [])
      await page.context().close()
    }
  })
})
