package cef_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/internal/cefvectors"
)

func TestVectors(t *testing.T) {
	t.Parallel()
	for file, run := range map[string]func([]byte) (int, []string){
		"testdata/encode.jsonl": cefvectors.Encode,
		"testdata/parse.jsonl":  cefvectors.Parse,
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			n, failures := run(data)
			require.Greater(t, n, 80)
			for _, failure := range failures {
				t.Error(failure)
			}
		})
	}
}
