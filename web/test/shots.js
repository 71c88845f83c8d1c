// Takes the pictures of the README: node test/shots.js DIRECTORY
import path from 'node:path'
import { browser, Lab, open, sleep } from './browser/lab.js'

const dir = process.argv[2] ?? '.'
const lab = new Lab()
const chrome = await browser()
try {
  await lab.start()
  await sleep(75000) // a minute of traffic, so that rates are of a whole one
  await shot('dashboard', { viewport: { width: 1200, height: 600 } })
  await lab.end('job_controller')
  await sleep(75000)
  await shot('dashboard-incident', { viewport: { width: 1200, height: 860 } })
  await shot('dashboard-phone', { viewport: { width: 390, height: 780 }, colorScheme: 'dark' })
} finally {
  await chrome.close()
  await lab.stop()
}

async function shot(name, options) {
  const page = await open(chrome, lab.api, options)
  await page.locator('.panel .uplot').nth(2).waitFor()
  await sleep(1500)
  await page.screenshot({ path: path.join(dir, name + '.png') })
  await page.context().close()
}
