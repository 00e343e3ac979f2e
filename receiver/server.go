package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// ServerConfig says where and how a [Server] listens. Handler is required, and
// either both of CertFile and KeyFile, or SelfSigned.
type ServerConfig struct {
	// Addr is where to listen: "host:port", with an empty host for all of this
	// machine's addresses, port 0 for a free one. Default: ":443".
	Addr string

	// Handler serves the requests, a [*Handler] or a mux that has one.
	Handler http.Handler

	// CertFile and KeyFile hold the certificate, followed by those of its
	// authorities, and its key, in PEM. When they change they are read again.
	CertFile, KeyFile string

	// SelfSigned makes a certificate that lasts for a year, for localhost, the
	// loopback addresses and the host of Addr, with an authority that nobody
	// knows: see [Server.Authority]. It is for tests and development.
	SelfSigned bool

	// StopTime is what requests have to end when the server stops. Default:
	// DefaultStopTime.
	StopTime time.Duration

	// Logger is told of what goes wrong beside requests, such as broken
	// handshakes, which anybody can cause, at the level Debug. Default:
	// slog.Default.
	Logger *slog.Logger
}

// DefaultStopTime is more than a batch takes to be handed over by default.
const DefaultStopTime = 20 * time.Second

// What a connection may cost. A Handler bounds bodies by itself.
const (
	headerTime     = 10 * time.Second
	requestTime    = 2 * time.Minute
	idleTime       = 2 * time.Minute
	maxHeaderBytes = 16 << 10
)

// Server serves a Handler over HTTPS, by HTTP/1.1. Not by HTTP/2: senders have no
// use for many requests at once on a connection, while a hundred hostile ones of
// that kind took more than 64 MiB, before a Handler had anything to decide.
type Server struct {
	http      http.Server
	listener  net.Listener
	authority []byte
	stopTime  time.Duration
}

// Listen opens the port, so that connections wait from then on. Call
// [Server.Serve] to serve them. The error names the field of the ServerConfig
// that is wrong, or is that of opening the port.
func Listen(ctx context.Context, cfg ServerConfig) (*Server, error) {
	cfg.Addr = orDefault(cfg.Addr, ":443")
	cfg.StopTime = orDefault(cfg.StopTime, DefaultStopTime)
	cfg.Logger = orDefault(cfg.Logger, slog.Default())
	switch {
	case cfg.Handler == nil:
		return nil, errors.New("receiver: ServerConfig.Handler: is not set")
	case cfg.StopTime < 0:
		return nil, errors.New("receiver: ServerConfig.StopTime: is negative")
	}
	s := &Server{stopTime: cfg.StopTime}
	getCertificate, err := s.certificate(&cfg)
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	if s.listener, err = listen.Listen(ctx, "tcp", cfg.Addr); err != nil {
		return nil, fmt.Errorf("receiver: %w", err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	s.http = http.Server{
		Handler:           cfg.Handler,
		TLSConfig:         &tls.Config{GetCertificate: getCertificate, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       requestTime,
		WriteTimeout:      requestTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         &protocols,
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// certificate returns where the certificate comes from.
func (s *Server) certificate(cfg *ServerConfig) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	switch given := cfg.CertFile != "" && cfg.KeyFile != ""; {
	case given == cfg.SelfSigned, (cfg.CertFile == "") != (cfg.KeyFile == ""):
		return nil, errors.New("receiver: ServerConfig: set both of CertFile and KeyFile, or SelfSigned")
	case given:
		files, err := openCertificate(cfg.CertFile, cfg.KeyFile, cfg.Logger)
		if err != nil {
			return nil, fmt.Errorf("receiver: ServerConfig.CertFile, KeyFile: %w", err)
		}
		return files.get, nil
	}
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if host, _, err := net.SplitHostPort(cfg.Addr); err == nil && host != "" {
		hosts = append(hosts, host)
	}
	certificate, authority, err := NewCertificate(hosts...)
	if err != nil {
		return nil, err
	}
	s.authority = authority
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &certificate, nil }, nil
}

// Serve serves until ctx ends. It then takes no more connections, waits for the
// requests under way for as long as StopTime, and returns nil, or an error if
// some had to be broken off. Call it once.
func (s *Server) Serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.ServeTLS(s.listener, "", "") }()
	select {
	case err := <-served:
		return fmt.Errorf("receiver: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.stopTime)
	defer cancel()
	err := s.http.Shutdown(stopping)
	if err != nil {
		err = errors.Join(fmt.Errorf("receiver: requests broken off: %w", err), s.http.Close())
	}
	if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
		err = errors.Join(err, failed)
	}
	return err
}

// Close closes the port at once and breaks connections off. It is for a server
// that is not served, too.
func (s *Server) Close() error { return errors.Join(s.http.Close(), ignoreClosed(s.listener.Close())) }

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// URL returns the URL of the server, without a path. Its host is that of Addr,
// or localhost where it is empty.
func (s *Server) URL() string {
	address := s.listener.Addr().(*net.TCPAddr)
	host := "localhost"
	if !address.IP.IsUnspecified() {
		host = address.IP.String()
	}
	return "https://" + net.JoinHostPort(host, fmt.Sprint(address.Port))
}

// Authority returns the certificate, in PEM, of the authority that made a
// self-signed server's, for its senders to trust. Otherwise it is nil.
func (s *Server) Authority() []byte { return s.authority }
