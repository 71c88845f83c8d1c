// Package drill holds the fault drills on a live Postfix: what each one
// breaks in a sealed world with ordinary mail, by what its evidence can first
// be seen, and what mtawatch must say of it, how soon. In go a world and a
// drill; out comes a row of the scoreboard. It promises that a row tells only
// what the running mtawatch said, and that a drill whose fault could not be
// made is an error and no row.
package drill
