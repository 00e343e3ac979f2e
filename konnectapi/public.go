package konnectapi

import (
	_ "embed"
	"encoding/json"
	"errors"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// openAPI describes what the Handler does.
//
//go:embed openapi.json
var openAPI []byte

func (*Handler) getOpenAPI(*call) (any, error) { return json.RawMessage(openAPI), nil }

func (h *Handler) getKeys(c *call) (any, error) {
	if h.cfg.Keys == nil {
		return webhook.KeySet{Keys: []webhook.Key{}}, nil
	}
	keys, err := h.cfg.Keys(c.Context())
	if err == nil && !json.Valid(keys) {
		err = errors.New("konnectapi: Config.Keys has returned what is not JSON")
	}
	return json.RawMessage(keys), err
}
