// Package dispatcher accepts connections and hands them to its server processes:
// dispatcher.cnf comes in, workers with their clients' sockets come out, and
// dispatcher.log-ID tells of them.
//
// A socket is passed over a pair of Unix sockets (SCM_RIGHTS); only the
// dispatcher has the ports. So its death means refused connections at once,
// while sessions go on, and a worker that is to end takes no more and loses
// none. A client is accepted only when there is room for it; the others wait in
// the kernel (BACKLOG).
package dispatcher
