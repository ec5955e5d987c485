// Reads and writes events with the CloudEvents SDK for Go: {"write": [event], "read": [message]} on standard input.
// The SDK's module for Kafka is a wrapper of Sarama; here its core maps events to headers, with Kafka's prefix.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/binding/spec"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/test"
	"github.com/cloudevents/sdk-go/v2/types"
)

var names = spec.WithPrefix("ce_")

type message struct {
	Headers map[string]string `json:"headers"`
	Value   []byte            `json:"value"`
}

type answer struct {
	Message *message     `json:"message,omitempty"`
	Event   *event.Event `json:"event,omitempty"`
	Error   string       `json:"error,omitempty"`
}

// What is written: the SDK calls these methods.

func (m *message) SetStructuredEvent(_ context.Context, format format.Format, event io.Reader) (err error) {
	m.Headers["content-type"] = format.MediaType()
	m.Value, err = io.ReadAll(event)
	return err
}

func (m *message) Start(context.Context) error { return nil }
func (m *message) End(context.Context) error   { return nil }

func (m *message) SetData(data io.Reader) (err error) {
	m.Value, err = io.ReadAll(data)
	return err
}

func (m *message) SetAttribute(attribute spec.Attribute, value interface{}) error {
	if attribute.Kind() == spec.DataContentType {
		return m.set("content-type", value)
	}
	return m.set("ce_"+attribute.Name(), value)
}

func (m *message) SetExtension(name string, value interface{}) error { return m.set("ce_"+name, value) }

func (m *message) set(name string, value interface{}) error {
	text, err := types.Format(value)
	m.Headers[name] = text
	return err
}

// What is read: likewise.

func (m *message) ReadEncoding() binding.Encoding {
	if strings.HasPrefix(m.Headers["content-type"], event.ApplicationCloudEventsJSON) {
		return binding.EncodingStructured
	}
	return binding.EncodingBinary
}

func (m *message) ReadStructured(ctx context.Context, writer binding.StructuredWriter) error {
	if m.ReadEncoding() != binding.EncodingStructured {
		return binding.ErrNotStructured
	}
	return writer.SetStructuredEvent(ctx, format.Lookup(m.Headers["content-type"]), bytes.NewReader(m.Value))
}

func (m *message) ReadBinary(ctx context.Context, writer binding.BinaryWriter) error {
	version := names.Version(m.Headers["ce_specversion"])
	for name, value := range m.Headers {
		var err error
		if attribute := version.Attribute(name); attribute != nil {
			err = writer.SetAttribute(attribute, value)
		} else if name == "content-type" {
			err = writer.SetAttribute(version.AttributeFromKind(spec.DataContentType), value)
		} else {
			err = writer.SetExtension(name[len("ce_"):], value)
		}
		if err != nil {
			return err
		}
	}
	return writer.SetData(bytes.NewReader(m.Value))
}

func (m *message) GetAttribute(kind spec.Kind) (spec.Attribute, interface{}) {
	attribute := names.Version(m.Headers["ce_specversion"]).AttributeFromKind(kind)
	name := attribute.PrefixedName()
	if kind == spec.DataContentType {
		name = "content-type"
	}
	if value, given := m.Headers[name]; given {
		return attribute, value
	}
	return attribute, nil
}

func (m *message) GetExtension(name string) interface{} { return m.Headers["ce_"+name] }

func (m *message) Finish(error) error { return nil }

func write(events []event.Event) (answers []answer) {
	for _, each := range events {
		for _, mode := range []func(context.Context) context.Context{binding.WithForceBinary, binding.WithForceStructured} {
			written := &message{Headers: map[string]string{}}
			_, err := binding.Write(mode(context.Background()), binding.ToMessage(&each), written, written)
			answers = append(answers, failing(answer{Message: written}, err))
		}
	}
	return answers
}

func read(messages []message) (answers []answer) {
	for _, each := range messages {
		found, err := binding.ToEvent(context.Background(), &each)
		if err == nil {
			err = found.Validate()
		}
		answers = append(answers, failing(answer{Event: found}, err))
	}
	return answers
}

func failing(found answer, err error) answer {
	if err != nil {
		return answer{Error: err.Error()}
	}
	return found
}

func main() {
	var asked struct {
		Write []event.Event `json:"write"`
		Read  []message     `json:"read"`
	}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	said := map[string]interface{}{"written": write(asked.Write), "read": read(asked.Read), "mocks": test.Events()}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		panic(err)
	}
}
