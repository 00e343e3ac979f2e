package konnecttest

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// KonnectConfig says how a Konnect is set up.
type KonnectConfig struct {
	// Token is the access token that callers must show. Default: a random one.
	Token string

	// RootCAs are the authorities that its deliveries trust, such as
	// [SIEM.RootCAs]. Default: the system's.
	RootCAs *x509.CertPool

	// DialContext replaces the dialler of its deliveries, [SIEM.DialContext]
	// for instance.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// Clock is for the waits between attempts and for time stamps. Default:
	// [delivery.SystemClock].
	Clock delivery.Clock

	// Hooks are told what deliveries do.
	Hooks []delivery.Hook
}

// Konnect is a fake of one region of Konnect: the management API of the audit
// log webhook (version 2), on plain HTTP at a loopback port, and a sender that
// really delivers to the webhook configured. The status moves with what becomes
// of the deliveries. It is safe for concurrent use.
type Konnect struct {
	config   KonnectConfig
	server   *http.Server
	listener net.Listener
	serving  sync.WaitGroup

	shipping sync.Mutex // one Ship at a time, so that events keep their order

	mu      sync.Mutex
	webhook webhook.Config
	state   status.State
}

// NewKonnect starts a Konnect for a test, which is closed when the test ends.
func NewKonnect(t TB, config KonnectConfig) *Konnect {
	t.Helper()
	k, err := StartKonnect(config)
	if err != nil {
		t.Fatalf("%v", err)
		return nil
	}
	t.Cleanup(k.Close)
	return k
}

// StartKonnect starts a Konnect. Close it.
func StartKonnect(config KonnectConfig) (*Konnect, error) {
	if config.Token == "" {
		config.Token = "kpat_" + rand.Text()
	}
	if config.Clock == nil {
		config.Clock = delivery.SystemClock{}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("konnecttest: %w", err)
	}
	k := &Konnect{config: config, listener: listener}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v2/audit-log-webhook", k.get)
	mux.HandleFunc("PATCH /v2/audit-log-webhook", k.patch)
	mux.HandleFunc("GET /v2/audit-log-webhook/status", k.status)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fail(w, http.StatusNotFound, "Not Found") })
	k.server = &http.Server{Handler: k.authenticate(mux), ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	k.serving.Go(func() {
		if err := k.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("konnecttest: %v", err)) // nothing else ends it
		}
	})
	return k, nil
}

// Close stops the server. Calls under way have a second to finish.
func (k *Konnect) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if k.server.Shutdown(ctx) != nil {
		_ = k.server.Close()
	}
	k.serving.Wait()
}

// URL returns the base URL, for client.New.
func (k *Konnect) URL() string { return "http://" + k.listener.Addr().String() }

// Token returns the access token that callers must show.
func (k *Konnect) Token() string { return k.config.Token }

// Webhook returns the configuration, authorization and all.
func (k *Konnect) Webhook() webhook.Config {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.webhook
}

// Status returns the status document.
func (k *Konnect) Status() status.Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.state.Status()
}

func (k *Konnect) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := webhook.NewSecret(r.Header.Get("Authorization"))
		if !given.Equal(webhook.NewSecret("Bearer " + k.config.Token)) {
			fail(w, http.StatusUnauthorized, "Unauthorized")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (k *Konnect) get(w http.ResponseWriter, _ *http.Request) { answer(w, k.Webhook()) }

func (k *Konnect) status(w http.ResponseWriter, _ *http.Request) { answer(w, k.Status()) }

func (k *Konnect) patch(w http.ResponseWriter, r *http.Request) {
	const most = 1 << 20
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, "The request body is too large")
		return
	}
	patch, err := webhook.DecodePatch(body)
	if err == nil {
		var changed webhook.Config
		if changed, err = k.apply(patch); err == nil {
			answer(w, changed)
			return
		}
	}
	var invalid *webhook.ValidationError
	if !errors.As(err, &invalid) {
		fail(w, http.StatusInternalServerError, "")
		return
	}
	writeProblem(w, invalid.Problem(instance()))
}

// apply changes the webhook, and the state as far as the change goes.
func (k *Konnect) apply(patch webhook.Patch) (webhook.Config, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.config.Clock.Now()
	changed, err := k.webhook.Apply(patch, now)
	if err != nil {
		return webhook.Config{}, err
	}
	k.webhook = changed
	if changed.Configured() {
		k.state = k.state.Configure(now)
	}
	if changed.Enabled {
		k.state = k.state.Enable()
	} else {
		k.state = k.state.Disable()
	}
	return changed, nil
}

func answer(w http.ResponseWriter, document any) {
	body, err := json.Marshal(document)
	if err != nil {
		fail(w, http.StatusInternalServerError, "")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

// fail answers with a problem document that has no more to say than its status.
func fail(w http.ResponseWriter, code int, detail string) {
	if detail == "" {
		detail = http.StatusText(code)
	}
	writeProblem(w, webhook.Problem{Status: code, Title: http.StatusText(code), Instance: instance(), Detail: detail})
}

func writeProblem(w http.ResponseWriter, problem webhook.Problem) {
	body, err := json.Marshal(problem)
	if err != nil { // it has nothing but strings and numbers
		panic(err)
	}
	w.Header().Set("Content-Type", webhook.ProblemMediaType)
	w.WriteHeader(problem.Status)
	_, _ = w.Write(body)
}

// instance returns the name of an occurrence, as Konnect gives them.
func instance() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("konnect:trace:%d", binary.BigEndian.Uint64(b[:])>>1)
}
