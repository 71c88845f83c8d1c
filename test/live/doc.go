// Package live runs the real mtawatch binary against real mail servers from
// Debian's packages, inside the sealed world of package world, and compares
// what it tells with what the servers' own logs and tools say.
//
// The tests have the build tag "live" (make live). A server that is not
// installed or does not start fails them; nothing is skipped.
package live
