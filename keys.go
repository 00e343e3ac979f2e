package auditlog

import "slices"

// rank is the place of a known JSON member name in alphabetical order, the
// order that Konnect writes members in. The header's fields and the attributes
// of Konnect's kinds are known.
type rank uint8

const (
	unknownKey rank = iota
	rankAct
	rankAction
	rankActorID
	rankCEFVersion
	rankClassID
	rankProduct
	rankTS
	rankVendor
	rankVersion
	rankGranted
	rankKongInitiated
	rankName
	rankOrgID
	rankPortalID
	rankPrincipalID
	rankPrincipalName
	rankQuery
	rankRequest
	rankRT
	rankSeverity
	rankSrc
	rankStatus
	rankSuccess
	rankTraceID
	rankUserAgent
	rankSig // not its place in the alphabet: it stands last
	ranks
)

// keyNames has the member name of each rank.
var keyNames = [ranks]string{
	"", "act", "action", "actor_id", "cef_version", "event_class_id", "event_product",
	"event_ts", "event_vendor", "event_version", "granted", "kong_initiated", "name",
	"org_id", "portal_id", "principal_id", "principal_name", "query", "request", "rt",
	"severity", "src", "status", "success", "trace_id", "user_agent", SignatureKey,
}

// rankOf returns the rank of a known key.
func rankOf(key string) rank {
	switch key {
	case "act":
		return rankAct
	case "action":
		return rankAction
	case "actor_id":
		return rankActorID
	case "cef_version":
		return rankCEFVersion
	case "event_class_id":
		return rankClassID
	case "event_product":
		return rankProduct
	case "event_ts":
		return rankTS
	case "event_vendor":
		return rankVendor
	case "event_version":
		return rankVersion
	case "granted":
		return rankGranted
	case "kong_initiated":
		return rankKongInitiated
	case "name":
		return rankName
	case "org_id":
		return rankOrgID
	case "portal_id":
		return rankPortalID
	case "principal_id":
		return rankPrincipalID
	case "principal_name":
		return rankPrincipalName
	case "query":
		return rankQuery
	case "request":
		return rankRequest
	case "rt":
		return rankRT
	case "severity":
		return rankSeverity
	case "src":
		return rankSrc
	case "status":
		return rankStatus
	case "success":
		return rankSuccess
	case "trace_id":
		return rankTraceID
	case "user_agent":
		return rankUserAgent
	case SignatureKey:
		return rankSig
	}
	return unknownKey
}

// headerRanks is the set of ranks that are header fields, a bit for each.
const headerRanks = 1<<rankCEFVersion | 1<<rankClassID | 1<<rankProduct | 1<<rankTS |
	1<<rankVendor | 1<<rankVersion | 1<<rankName | 1<<rankSeverity

// keyType is the type that Konnect's documentation gives an attribute.
type keyType uint8

const (
	typeAny keyType = iota
	typeString
	typeInt
	typeBool
)

// of reports whether v is of the type.
func (t keyType) of(v Value) bool {
	switch t {
	case typeString:
		return v.kind == ValueString
	case typeInt:
		return v.kind == ValueInt
	case typeBool:
		return v.kind == ValueBool
	default:
		return true
	}
}

var keyTypes = func() (types [ranks]keyType) {
	for r := rankAct; r < ranks; r++ {
		types[r] = typeString
	}
	types[rankRT], types[rankStatus] = typeInt, typeInt
	types[rankSuccess], types[rankGranted], types[rankKongInitiated] = typeBool, typeBool, typeBool
	return types
}()

// The order of attributes in CEF lines of each kind. Those that are in only
// some events have a place too. Konnect's documentation gives none to
// principal_name, actor_id outside of authorization events, portal_id outside
// of authentication events, and kong_initiated; they stand where they read best.
var orders = [...][]rank{
	KindOther: nil,
	KindAuthentication: {
		rankRT, rankSrc, rankRequest, rankSuccess, rankOrgID, rankPortalID, rankPrincipalID,
		rankPrincipalName, rankActorID, rankKongInitiated, rankTraceID, rankUserAgent,
	},
	KindAuthorization: {
		rankRT, rankSrc, rankAction, rankGranted, rankOrgID, rankPortalID, rankPrincipalID,
		rankPrincipalName, rankActorID, rankKongInitiated, rankTraceID, rankUserAgent,
	},
	KindAccess: {
		rankRT, rankSrc, rankRequest, rankAct, rankStatus, rankOrgID, rankPortalID, rankPrincipalID,
		rankPrincipalName, rankActorID, rankUserAgent, rankKongInitiated, rankTraceID, rankQuery,
	},
}

// places has, for each kind, the place of each rank in the order. Keys without
// one come after those that have one, and the signature comes last.
var places = func() (p [len(orders)][ranks]uint8) {
	const after = 200
	for kind, order := range orders {
		for r := range p[kind] {
			p[kind][r] = after
		}
		for i, r := range order {
			p[kind][r] = uint8(i)
		}
		p[kind][rankSig] = after + 1
	}
	return p
}()

// sortByKind puts attributes in the order of CEF lines of the kind. Attributes
// without a place keep their order among themselves.
func sortByKind(attributes []Attribute, kind Kind) {
	place := &places[kind]
	slices.SortStableFunc(attributes, func(a, b Attribute) int {
		return int(place[rankOf(a.Key)]) - int(place[rankOf(b.Key)])
	})
}
