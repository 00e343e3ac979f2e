// Package auditlog is the event model of audit logs as Kong Konnect sends them,
// and their three line formats: [CEF], [JSON] and [CPS].
//
// An [Event] carries any vendor's header and ordered, typed attributes. For the
// three kinds that Konnect sends there are typed views, which build an event
// with the right class id, name, severity and order, and read one back:
// [Authentication], [Authorization] and [Access].
//
//	event := auditlog.Authorization{Time: now, Source: ip, Service: "billing",
//		Resource: "invoices", Action: "delete", Granted: true}.Event()
//	line, err := auditlog.CEF.Append(nil, &event)
//
// [Parse] reads a line of any format.
//
// # What a format cannot carry
//
// An event goes from CEF to JSON to CPS and back to CEF and is the same, byte
// for byte, if it is as Konnect sends it: of one of its kinds, with a time, its
// host, and its attributes in its order. In general:
//
//   - CEF carries no types. Reading CEF, rt and status are integers, and
//     success, granted and kong_initiated are booleans, where their text is
//     exactly what such a value is written as; everything else is a string. So a
//     custom attribute that is a number or a boolean becomes a string.
//   - JSON and CPS give the attributes of Konnect's events (by vendor or kind)
//     the one type that is documented for them, reading and writing, where their
//     text allows. Those of other products keep the type that they have.
//   - CEF carries no control characters but TAB, CR and LF, and no trailing
//     spaces in the last value; see package cef. It takes only keys that package
//     cef allows; any other is an error.
//   - JSON and CPS carry neither the host, nor what else stands in a prefix
//     besides the time, nor the order of attributes: members stand in
//     alphabetical order, sig last. Reading them, the host is konghq.com where
//     the vendor is KongInc and there is a time, and the attributes of Konnect's
//     kinds come back in Konnect's order, with custom ones after them and sig
//     last.
//   - JSON and CPS name the header's fields event_ts, event_vendor,
//     event_product, event_version, event_class_id, name, severity and
//     cef_version, so an attribute of that key is an error. So is a key that
//     stands twice.
//
// In no format can bytes that are not UTF-8 stand; they become U+FFFD.
package auditlog
