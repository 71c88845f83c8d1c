// Package world is what a practice MTA meets: a name server, remote sites that
// behave in every way, and the people who send mail. All of it on loopback: a
// site's host is an address of 127/8, a client's source address another.
//
// A Config comes in; connections, answers and letters go out, from Run until
// its context ends. What a site does may be changed while it runs. The remote
// side of SMTP follows RFC 5321, the name server RFC 1035.
package world
