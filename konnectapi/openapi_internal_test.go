package konnectapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The document has the operations of the Handler and no others. What is in
// requests and answers is checked against it in the module
// internal/conformance, which has a validator.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(openAPI, &document))
	var described, served []string
	for path, item := range document.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var op struct {
				OperationID string `json:"operationId"`
				Security    []any
				Responses   map[string]any
			}
			require.NoError(t, json.Unmarshal(raw, &op))
			public := op.Security != nil && len(op.Security) == 0
			success := 0
			for code := range op.Responses {
				if code[0] == '2' {
					_, err := fmt.Sscan(code, &success)
					require.NoError(t, err)
				}
			}
			described = append(described, fmt.Sprintln(op.OperationID, strings.ToUpper(method), path, success, public))
		}
	}
	for _, op := range operations {
		path := strings.NewReplacer("{portal}", "{portalId}", "{destination}", "{auditLogDestinationId}").Replace(op.path)
		served = append(served, fmt.Sprintln(op.id, op.method, path, op.success, op.public))
	}
	slices.Sort(described)
	slices.Sort(served)
	require.Equal(t, served, described)
	require.Len(t, slices.Compact(served), len(operations))
}
