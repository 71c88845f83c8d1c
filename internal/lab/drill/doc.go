// Package drill breaks a practice MTA on purpose, waits for what mtawatch says
// of it, and puts things right. In goes a drill; out comes a row of the
// scoreboard. It promises that a row tells only what the running mtawatch said,
// and that a drill whose fault could not be made is an error and no row.
package drill
