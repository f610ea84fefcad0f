package otlpwire

import (
	"bytes"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// The arbiter: protobuf's own decoder with OTLP's own messages says what is a
// request. It is asked wherever Filter and pdata disagree, and about every request
// that Filter takes.

// otlpRequest is OTLP's TracesData, which has the fields of a request, with two
// changes: text is bytes, since text that is not UTF-8 costs us a span rather than
// the request, as it costs pdata nothing; and ResourceSpans have field 1000.
var otlpRequest = describeRequest()

func describeRequest() protoreflect.MessageDescriptor {
	set := &descriptorpb.FileDescriptorSet{}
	for _, file := range []protoreflect.FileDescriptor{
		commonpb.File_opentelemetry_proto_common_v1_common_proto,
		resourcepb.File_opentelemetry_proto_resource_v1_resource_proto,
		tracepb.File_opentelemetry_proto_trace_v1_trace_proto,
	} {
		fd := protodesc.ToFileDescriptorProto(file)
		for _, m := range fd.MessageType {
			textToBytes(m)
			if m.GetName() == "ResourceSpans" {
				m.ReservedRange = nil
				m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{
					Name:     proto.String("deprecated_scope_spans"),
					Number:   proto.Int32(1000),
					Label:    descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(),
					Type:     descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(),
					TypeName: proto.String(".opentelemetry.proto.trace.v1.ScopeSpans"),
				})
			}
		}
		set.File = append(set.File, fd)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		panic(err)
	}
	d, err := files.FindDescriptorByName("opentelemetry.proto.trace.v1.TracesData")
	if err != nil {
		panic(err)
	}
	return d.(protoreflect.MessageDescriptor)
}

func textToBytes(m *descriptorpb.DescriptorProto) {
	for _, f := range m.Field {
		if f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_STRING {
			f.Type = descriptorpb.FieldDescriptorProto_TYPE_BYTES.Enum()
		}
	}
	for _, inner := range m.NestedType {
		textToBytes(inner)
	}
}

// protobufSays is why body is not a request by protobuf.
func protobufSays(body []byte) error {
	return proto.Unmarshal(body, dynamicpb.NewMessage(otlpRequest))
}

// forPdata leaves out of a request what pdata cannot read: groups, all of which are
// unknown fields. For pdata a group ends behind its first field, with what follows
// belonging to the message around it; and no group may be last in its message.
// All else stays byte for byte.
func forPdata(body []byte) []byte { return withoutGroups(otlpRequest, body) }

func withoutGroups(m protoreflect.MessageDescriptor, b []byte) []byte {
	var out []byte
	for _, f := range split(b) {
		known := m.Fields().ByNumber(f.number)
		switch {
		case known == nil && f.kind == protowire.StartGroupType:
			continue
		case known != nil && known.Message() != nil && f.kind == protowire.BytesType:
			if content := withoutGroups(known.Message(), f.content); !bytes.Equal(content, f.content) {
				f.raw = message(f.number, content)
			}
		}
		out = append(out, f.raw...)
	}
	return out
}

// TestForPdata shows that pdata cannot read the groups that forPdata leaves out, and
// nothing else is left out. When pdata can, forPdata has to go.
func TestForPdata(t *testing.T) {
	for place, put := range places {
		for _, field := range [][]byte{group(99), group(99, varint(1, 1)), group(99, varint(1, 1), group(2))} {
			body := put(field)
			if err := protobufSays(body); err != nil {
				t.Errorf("%s: protobuf says %v", place, err)
			}
			if _, err := pdataDecodes(body); err == nil {
				t.Errorf("%s: pdata reads %x", place, field)
			}
			if got, want := forPdata(body), put(nil); !bytes.Equal(got, want) {
				t.Errorf("%s: got %x, want %x", place, got, want)
			}
		}
		if body := put(append(varint(99, 1), text(98, "x")...)); !bytes.Equal(forPdata(body), body) {
			t.Errorf("%s: %x is not what it was", place, body)
		}
	}
}
