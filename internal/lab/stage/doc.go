// Package stage puts a whole practice MTA on: its directory, its two daemons
// as processes of their own names, and the world that it meets. A Config comes
// in; a running MTA with mail comes out, until the context of Run ends. Nothing
// stays behind: the daemons end with this process, however it ends.
package stage
