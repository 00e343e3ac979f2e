package docs_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const operating = "operating.md"

// What can go wrong is explained, all of it and nothing else.
func TestErrors(t *testing.T) {
	t.Parallel()
	require.Empty(t, cmp.Diff(exported(t, engine, errorsIn), open(t, operating).names(t, "## Errors")))
}

func TestReasons(t *testing.T) {
	t.Parallel()
	page := open(t, operating)
	got := append(page.names(t, "### Why a delivery failed"), page.names(t, "### Why events are lost")...)
	slices.Sort(got)
	require.Empty(t, cmp.Diff(exported(t, engine, reasonsIn), got))
}

func TestLogMessages(t *testing.T) {
	t.Parallel()
	var got []message
	for _, cells := range open(t, operating).section(t, "## Log messages").rows(t) {
		require.Len(t, code(cells[1]), 1, cells)
		got = append(got, message{code(cells[1])[0], cells[0]})
	}
	slices.SortFunc(got, func(a, b message) int { return strings.Compare(a.text, b.text) })
	require.Empty(t, cmp.Diff(messages(t, slices.Concat(engine, cores)), got, cmp.AllowUnexported(message{})))
}

func TestFigures(t *testing.T) {
	t.Parallel()
	page := open(t, operating)
	var got []string
	for _, cells := range page.section(t, "## Figures").rows(t) {
		got = append(got, code(cells[0])...)
	}
	require.Empty(t, cmp.Diff(fields(reflect.TypeFor[shipper.Snapshot]()), got), "Snapshot")

	got = nil
	for _, cells := range page.section(t, "## Status").rows(t) {
		if len(cells) == 2 {
			got = append(got, code(cells[0])...)
		}
	}
	var want []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[shipper.Report]()) {
		want = append(want, field.Name)
	}
	require.Empty(t, cmp.Diff(want, got), "Report")
}

// fields returns the names of a struct's fields, and of structs' in it, in order.
func fields(typ reflect.Type) []string {
	var names []string
	for _, field := range reflect.VisibleFields(typ) {
		if field.Type.Kind() != reflect.Struct || field.Type == reflect.TypeFor[time.Time]() {
			names = append(names, field.Name)
			continue
		}
		for _, name := range fields(field.Type) {
			names = append(names, field.Name+"."+name)
		}
	}
	return names
}

// The table has the rows of Konnect's documentation, in its order.
func TestStatus(t *testing.T) {
	t.Parallel()
	var got []string
	for _, cells := range open(t, operating).section(t, "## Status").rows(t) {
		if len(cells) == 4 {
			got = append(got, cells[0]+" "+code(cells[1])[0])
		}
	}
	require.Empty(t, cmp.Diff([]string{
		"true " + string(status.Active),
		"true " + string(status.Inactive),
		"false " + string(status.Active),
		"false " + string(status.Inactive),
		"false " + string(status.Unconfigured),
	}, got))
}

// bounds are the defaults and bounds, of which the page has all with their values.
var bounds = map[string]any{
	"delivery.DefaultAttemptTimeout":  delivery.DefaultAttemptTimeout,
	"delivery.DefaultBatchBytes":      delivery.DefaultBatchBytes,
	"delivery.DefaultBatchEvents":     delivery.DefaultBatchEvents,
	"delivery.MaxAttemptTimeout":      delivery.MaxAttemptTimeout,
	"diskstore.DefaultLease":          diskstore.DefaultLease,
	"diskstore.DefaultRetention":      diskstore.DefaultRetention,
	"diskstore.DefaultSegmentBytes":   diskstore.DefaultSegmentBytes,
	"diskstore.MaxSegmentBytes":       diskstore.MaxSegmentBytes,
	"diskstore.MinSegmentBytes":       diskstore.MinSegmentBytes,
	"memstore.DefaultLease":           memstore.DefaultLease,
	"memstore.DefaultMaxBytes":        memstore.DefaultMaxBytes,
	"memstore.DefaultRetention":       memstore.DefaultRetention,
	"memstore.MinBytes":               memstore.MinBytes,
	"shipper.DefaultBatchAge":         shipper.DefaultBatchAge,
	"shipper.DefaultLimitBytes":       shipper.DefaultLimitBytes,
	"shipper.DefaultLimitEvents":      shipper.DefaultLimitEvents,
	"shipper.DefaultProbeFirst":       shipper.DefaultProbeFirst,
	"shipper.DefaultProbeMax":         shipper.DefaultProbeMax,
	"shipper.DefaultReplayPatience":   shipper.DefaultReplayPatience,
	"shipper.DefaultSlowWorkers":      shipper.DefaultSlowWorkers,
	"shipper.DefaultTotalLimitBytes":  int64(shipper.DefaultTotalLimitBytes),
	"shipper.DefaultTotalLimitEvents": shipper.DefaultTotalLimitEvents,
	"shipper.DefaultWorkers":          shipper.DefaultWorkers,
	"shipper.MaxAttempts":             shipper.MaxAttempts,
	"shipper.MaxEventBytes":           shipper.MaxEventBytes,
	"shipper.MaxID":                   shipper.MaxID,
	"shipper.MaxLabel":                shipper.MaxLabel,
	"shipper.MaxRecordEvents":         shipper.MaxRecordEvents,
	"store.MaxBlockBytes":             store.MaxBlockBytes,
	"store.MaxBlockEvents":            store.MaxBlockEvents,
	"store.MaxDocument":               store.MaxDocument,
	"store.MaxName":                   store.MaxName,
	"webhook.MaxAuthorizationBytes":   webhook.MaxAuthorizationBytes,
	"webhook.MaxEndpointBytes":        webhook.MaxEndpointBytes,
	"webhook.MaxNameChars":            webhook.MaxNameChars,
}

func TestLimitsAndDefaults(t *testing.T) {
	t.Parallel()
	declared := slices.DeleteFunc(exported(t, engine, boundsIn), func(name string) bool {
		return name == "delivery.DefaultUserAgent" // no bound
	})
	var got []string
	for _, cells := range open(t, operating).section(t, "## Limits and defaults").rows(t) {
		name := code(cells[0])[0]
		got = append(got, name)
		require.Contains(t, bounds, name)
		require.Equal(t, printed(bounds[name]), cells[1], name)
	}
	slices.Sort(got)
	require.Empty(t, cmp.Diff(declared, got))
}

// printed returns the number or time as the page has it.
func printed(value any) string {
	if d, ok := value.(time.Duration); ok {
		for _, unit := range []struct {
			name string
			d    time.Duration
		}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}} {
			if d%unit.d == 0 {
				return fmt.Sprintf("%d %s", d/unit.d, unit.name)
			}
		}
	}
	n := reflect.ValueOf(value).Int()
	for _, unit := range []struct {
		name string
		n    int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n%unit.n == 0 {
			return fmt.Sprintf("%d %s", n/unit.n, unit.name)
		}
	}
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}
