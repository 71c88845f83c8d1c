package api

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Guard protects a server that listens on loopback or a unix socket from
// pages of other sites in the operator's browser. A name of theirs that
// suddenly points to 127.0.0.1 (DNS rebinding) is told by the Host header;
// a request made by their page by the header Sec-Fetch-Site. With loopback
// false only the second is checked, for then the server may have any name.
func Guard(next http.Handler, loopback bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case loopback && !loopbackHost(r.Host):
			w.Header().Set(markHeader, "1")
			writeError(w, http.StatusMisdirectedRequest, errors.New("this host name is not answered here"),
				"ask for localhost or 127.0.0.1; mtawatch listens on loopback only")
		case r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate":
			w.Header().Set(markHeader, "1")
			writeError(w, http.StatusForbidden, errors.New("a page of another site asked"), "open the address itself")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// loopbackHost reports whether a Host header names this machine's loopback.
func loopbackHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}
