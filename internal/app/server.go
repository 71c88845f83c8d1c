package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/compat"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/feed"
	"github.com/mtawatch/mtawatch/internal/history"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/prom"
	"github.com/mtawatch/mtawatch/internal/web"
)

// door is one listener and what it serves.
type door struct {
	net.Listener
	messages bool         // single messages and log lines too
	gate     *access.Gate // nil: the unix socket, which only those can open who may do everything
}

// listen opens the sockets of the configuration. An address other than
// loopback needs users or tokens, and a certificate or a word that none is needed.
func listen(cfg config.Config, log *slog.Logger) ([]door, error) {
	var list []door
	if cfg.Listen != "" {
		gate, crypt, err := gateOf(cfg.Web)
		if err != nil {
			return nil, err
		}
		if !cfg.Loopback() && (!gate.Required() || crypt == nil && !cfg.InsecureListen) {
			return nil, fmt.Errorf("listen on %s: other machines can reach it; that needs users or a tokens_file under web: in the configuration, and tls_cert and tls_key (or insecure_listen: true where a proxy or the network encrypts); or use 127.0.0.1:9725", cfg.Listen)
		}
		l, err := net.Listen("tcp", cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("open API: %w; is another mtawatch running? give another address with listen", err)
		}
		if crypt != nil {
			crypt.NextProtos = []string{"http/1.1"} // a stream of events needs no more
			l = tls.NewListener(l, crypt)
		}
		list = append(list, door{l, cfg.ExposeMessages, gate})
	}
	path := cfg.SocketPath()
	if path == "" {
		if cfg.Socket != config.NoSocket {
			log.Warn("no unix socket is served: the path of the data directory is too long for one", "advice", "set socket: in the configuration to a shorter path")
		}
		return list, nil
	}
	l, err := listenUnix(path)
	if err != nil {
		for _, d := range list {
			_ = d.Close() // nobody was served yet
		}
		return nil, err
	}
	return append(list, door{l, true, nil}), nil
}

// gateOf makes the gate of the configuration, and the settings of TLS; nil
// where there is no certificate.
func gateOf(w config.Web) (*access.Gate, *tls.Config, error) {
	cfg := access.Config{Users: w.Users, BehindProxy: w.BehindProxy}
	var file access.WebConfig
	if w.ConfigFile != "" {
		var users []access.User
		var err error
		if file, users, err = access.ReadWebConfig(w.ConfigFile); err != nil {
			return nil, nil, err
		}
		for _, u := range users {
			if slices.ContainsFunc(cfg.Users, func(o access.User) bool { return o.Name == u.Name }) {
				return nil, nil, fmt.Errorf("read web configuration %s: user %q stands in users of the configuration too; take out one of them", w.ConfigFile, u.Name)
			}
		}
		cfg.Users = append(slices.Clone(cfg.Users), users...)
	}
	if w.TokensFile != "" {
		var err error
		if cfg.Tokens, err = access.ReadTokens(w.TokensFile); err != nil {
			return nil, nil, err
		}
	}
	file.TLS.Cert, file.TLS.Key = cmp.Or(w.TLSCert, file.TLS.Cert), cmp.Or(w.TLSKey, file.TLS.Key)
	crypt, err := file.ServerTLS()
	cfg.TLS = crypt != nil
	gate := access.New(cfg)
	if err == nil && w.BehindProxy && !gate.Required() {
		err = fmt.Errorf("listen: behind_proxy lets others in through the proxy, and %s names nobody; give basic_auth_users in it, or users or a tokens_file under web: in the configuration", cmp.Or(w.ConfigFile, "the configuration"))
	}
	return gate, crypt, err
}

// listenUnix opens a unix socket for the user and the group that mtawatch
// runs as. One that an earlier run left is replaced; nothing else is.
func listenUnix(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("open API socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("open API socket: %s exists and is no socket; remove it, or give another path with socket: in the configuration", path)
	default:
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close() // only whether it answers matters
			return nil, fmt.Errorf("open API socket: another program answers at %s; stop it, or give another path with socket: in the configuration", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("open API socket: %w", err)
		}
	}
	lc := net.ListenConfig{Control: setSocketMode}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open API socket: %w; the directory must exist and be writable", err)
	}
	// The umask, which is the whole process's, may have taken bits away.
	if err := os.Chmod(path, socketMode); err != nil {
		_ = l.Close() // the first error tells more
		return nil, fmt.Errorf("open API socket: %w", err)
	}
	return l, nil
}

// socketMode permits the user and the group.
const socketMode = 0o660

// setSocketMode is run before a unix socket is bound. Linux gives its file
// the mode that the socket has at that moment, so that there is none in which
// others may connect.
func setSocketMode(_, _ string, c syscall.RawConn) error {
	var err error
	if cerr := c.Control(func(fd uintptr) { err = syscall.Fchmod(int(fd), socketMode) }); cerr != nil {
		return cerr
	}
	return err
}

// surfaces is what the daemon shows.
type surfaces struct {
	src    *Source
	series *history.Store
	cfg    config.Config
	log    *slog.Logger
	also   *compatNames
	feed   *feed.Feed
}

// handler puts the surfaces together for one door: the JSON API, PromQL,
// /metrics and the pages. Single messages and log lines are served only where
// the door says so.
func handler(s surfaces, d door) (http.Handler, error) {
	pages, err := web.New(web.Config{Source: s.src, NoLines: !d.messages, Session: func(r *http.Request) web.Session {
		who := access.From(r.Context())
		return web.Session{User: who.Name, CSRF: who.CSRF}
	}})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	o := api.Options{Version: api.BuildVersion(), Log: s.log, NoMessages: !d.messages, Feed: s.feed, Interval: s.cfg.Interval}
	if s.src.marks != nil {
		o.Actor = s.src.marks
	}
	if d.gate != nil {
		o.Session, o.Still = d.gate.Of, d.gate.Still
	}
	mux.Handle(api.Prefix+"/", api.Handler(s.src, o))
	prom.Register(mux, s.series, time.Now)
	mux.Handle("/metrics", prom.Metrics(func() []mta.Sample { return s.also.metrics(s.src.belt) }, compat.Help))
	mux.Handle("/", pages)
	if d.gate == nil {
		return web.Headers(api.Guard(access.Trusted(mux), true)), nil
	}
	return web.Headers(api.Guard(d.gate.Handler(mux), s.cfg.Loopback() && !s.cfg.Web.BehindProxy)), nil
}

// The bounds of one door. Who sends or takes a byte now and then holds a
// connection; so many may, and no more descriptors than those are lost to them.
const (
	maxConnections = 512
	maxSent        = 1 << 20         // bytes of what a request carries
	takenWithin    = 5 * time.Minute // from the request to the last byte
)

// limited closes at once what is beyond maxConnections.
func limited() func(net.Conn, http.ConnState) {
	var n atomic.Int64
	return func(c net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			if n.Add(1) > maxConnections {
				_ = c.Close() // it was told nothing yet
			}
		case http.StateClosed, http.StateHijacked:
			n.Add(-1)
		}
	}
}

// serve answers on one listener until ctx ends and the requests that run are
// answered, or cut after two seconds. Streams set their own time for writing.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	bounded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			access.LimitBody(w, r, maxSent)
		}
		h.ServeHTTP(w, r)
	})
	srv := &http.Server{Handler: bounded, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: takenWithin, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ConnState: limited()}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close() // a stream that does not end is cut
		}
	})
	err := srv.Serve(l) // gives ErrServerClosed when Shutdown begins
	if !stop() {
		<-ended
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve API: %w", err)
	}
	return nil
}
