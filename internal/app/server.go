package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/compat"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/history"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/prom"
)

// listen opens the sockets of the configuration. An address other than
// loopback needs insecure_listen: there is no access control yet.
func listen(cfg config.Config) ([]net.Listener, error) {
	var list []net.Listener
	if cfg.Listen != "" {
		if !cfg.InsecureListen && !loopback(cfg.Listen) {
			return nil, fmt.Errorf("listen on %s: not a loopback address, and the API has no access control; use 127.0.0.1:9725, or set insecure_listen: true behind a firewall", cfg.Listen)
		}
		l, err := net.Listen("tcp", cfg.Listen)
		if err != nil {
			return nil, fmt.Errorf("open API: %w; is another mtawatch running? give another address with listen or --listen", err)
		}
		list = append(list, l)
	}
	if cfg.Socket != "" {
		if err := os.Remove(cfg.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("open API socket: %w", err)
		}
		l, err := net.Listen("unix", cfg.Socket)
		if err != nil {
			return nil, fmt.Errorf("open API socket: %w", err)
		}
		if err := os.Chmod(cfg.Socket, 0o660); err != nil {
			return nil, fmt.Errorf("open API socket: %w", err)
		}
		list = append(list, l)
	}
	return list, nil
}

func loopback(address string) bool {
	name, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.IsLoopback()
}

// handler puts the surfaces together: the JSON API, PromQL, /metrics and a
// front page that says where they are.
func handler(src *Source, series *history.Store, cfg config.Config, also *compatNames) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(api.Prefix+"/", api.Handler(src, api.Options{Version: api.BuildVersion()}))
	prom.Register(mux, series, time.Now)
	mux.Handle("/metrics", prom.Metrics(func() []mta.Sample { return also.metrics(src.belt) }, compat.Help))
	mux.HandleFunc("GET /{$}", front)
	return api.Guard(mux, !cfg.InsecureListen)
}

func front(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprint(w, `mtawatch

/metrics                    current values, Prometheus text format
/api/v1/status              the four vital signs
/api/v1/queue               the queue by destination and age
/api/v1/failures            failures by cause and destination
/api/v1/connections         inbound connections
/api/v1/processes           the MTA's daemons
/api/v1/doctor              what mtawatch can and cannot see
/api/v1/query, query_range  PromQL over the history: add this server to Grafana as a Prometheus data source
`)
}

// serve answers on one listener until ctx ends.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close() // a stream that does not end is cut
		}
	})
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve API: %w", err)
	}
	return nil
}
