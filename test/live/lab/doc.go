// Package lab kills the processes of a practice MTA at random while mail goes
// through it, and accounts for every message.
//
// The test has the build tag "live" (make live). LIVE_MESSAGES and LIVE_KILLS
// change how much it does: 2000 and 20 in the short run, 20000 and 200 in the
// long one.
package lab
