package console_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/seed-6bcf82c5/auditlog/console"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
)

func Example() {
	logger := slog.New(slog.DiscardHandler)
	events, err := memstore.Open(memstore.Config{Logger: logger})
	if err != nil {
		panic(err)
	}
	defer func() { _ = events.Close() }()
	history := console.NewHistory(nil)
	s, err := shipper.New(shipper.Config{Store: events, Hooks: []shipper.Hook{history}, Logger: logger})
	if err != nil {
		panic(err)
	}
	defer func() { _ = s.Close(context.Background()) }()

	handler, err := console.New(console.Config{
		Shipper: s,
		History: history,
		Logger:  logger,
		Authenticate: func(r *http.Request) (console.User, error) {
			cookie, err := r.Cookie("session") // yours
			if err != nil {
				return console.User{}, errors.New("not signed in")
			}
			return console.User{Tenant: "acme", Principal: cookie.Value}, nil
		},
		Webhooks: func(_ context.Context, user console.User) ([]console.Webhook, error) {
			return []console.Webhook{{ID: user.Tenant + "-eu", Title: "Region EU", Role: console.Admin}}, nil
		},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/audit-logs/", handler)

	request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/audit-logs/", nil)
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, request)
	fmt.Println(answer.Code)
	request.AddCookie(&http.Cookie{Name: "session", Value: "alice"})
	answer = httptest.NewRecorder()
	mux.ServeHTTP(answer, request)
	fmt.Println(answer.Code, answer.Header().Get("Location"))
	// Output:
	// 401
	// 303 setup?webhook=acme-eu
}
