// Package drill breaks a practice MTA on purpose, waits for what mtawatch says, and puts things right.
package drill
