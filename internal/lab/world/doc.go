// Package world is what a practice MTA meets: a name server, remote sites that behave in
// every way, and the people who send mail. All of it on loopback.
package world
