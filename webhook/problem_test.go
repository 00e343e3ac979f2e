package webhook_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestProblemJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		problem webhook.Problem
		json    string
	}{
		{
			"required members are always there", webhook.Problem{},
			`{"status":0,"title":"","instance":"","detail":""}`,
		},
		{
			"unauthorized",
			webhook.Problem{Status: 401, Title: "Unauthorized", Instance: "kong:trace:1", Detail: "Unauthorized", Type: "https://httpstatuses.com/401"},
			`{"status":401,"title":"Unauthorized","instance":"kong:trace:1","detail":"Unauthorized","type":"https://httpstatuses.com/401"}`,
		},
		{
			"every companion",
			webhook.Problem{Status: 400, Title: "Bad Request", Instance: "kong:trace:2", Detail: "Invalid", InvalidParameters: []webhook.InvalidParameter{
				{Field: "a", Reason: "must be 0 or more", Source: "query", Rule: "min", Minimum: new(0)},
				{Field: "b", Reason: "must not be longer", Rule: "max_length", Maximum: new(8)},
				{Field: "c", Reason: "must be one of them", Rule: "enum", Choices: []any{"x", true}},
				{Field: "d", Reason: "needs another", Rule: "dependent_fields", Dependents: []any{}},
			}},
			`{"status":400,"title":"Bad Request","instance":"kong:trace:2","detail":"Invalid","invalid_parameters":[` +
				`{"field":"a","reason":"must be 0 or more","source":"query","rule":"min","minimum":0},` +
				`{"field":"b","reason":"must not be longer","rule":"max_length","maximum":8},` +
				`{"field":"c","reason":"must be one of them","rule":"enum","choices":["x",true]},` +
				`{"field":"d","reason":"needs another","rule":"dependent_fields","dependents":[]}]}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := json.Marshal(c.problem)
			require.NoError(t, err)
			require.Equal(t, c.json, string(data))

			var back webhook.Problem
			require.NoError(t, json.Unmarshal(data, &back))
			require.Empty(t, cmp.Diff(c.problem, back))
		})
	}
}
