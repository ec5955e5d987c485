// The scenario by the AWS SDK for Go v1; requests and results are walked by reflection over the SDK's own types.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/awserr"
	"github.com/aws/aws-sdk-go/aws/request"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/cleanroomsml"
)

type object = map[string]any

type step struct {
	ID    string            `json:"id"`
	Call  string            `json:"call"`
	With  object            `json:"with"`
	Keep  map[string]string `json:"keep"`
	Until []string          `json:"until"`
	Pages bool              `json:"pages"`
}

var (
	known    = map[string]string{}
	variable = regexp.MustCompile(`\$(\w+)`)
	moment   = reflect.TypeOf(time.Time{})
)

func main() {
	var steps []step
	check(json.Unmarshal([]byte(os.Getenv("SCENARIO")), &steps))
	check(json.Unmarshal([]byte(os.Getenv("KNOWN")), &known))
	options := aws.Config{Endpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL"))}
	client := reflect.ValueOf(cleanroomsml.New(session.Must(session.NewSession(&options))))
	for _, each := range steps {
		result := ask(client, each)
		for turn := 0; each.Until != nil && !done(each, result) && turn < 600; turn++ {
			time.Sleep(100 * time.Millisecond)
			result = ask(client, each)
		}
		for name, path := range each.Keep {
			known[name], _ = at(result["output"], path).(string)
		}
		result["id"] = each.ID
		line, err := json.Marshal(result)
		check(err)
		fmt.Println(string(line))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func ask(client reflect.Value, each step) object {
	if each.Pages {
		return askPages(client, each)
	}
	method := client.MethodByName(each.Call + "Request")
	input := reflect.New(method.Type().In(0).Elem())
	fill(input.Elem(), each.With)
	answer := method.Call([]reflect.Value{input})
	sent := answer[0].Interface().(*request.Request)
	if err := sent.Send(); err != nil {
		return refused(err)
	}
	return answered(told(answer[1]), sent)
}

func askPages(client reflect.Value, each step) object {
	method := client.MethodByName(each.Call + "PagesWithContext")
	input := reflect.New(method.Type().In(1).Elem())
	fill(input.Elem(), each.With)
	all, last := object{}, (*request.Request)(nil)
	page := reflect.MakeFunc(method.Type().In(2), func(arguments []reflect.Value) []reflect.Value {
		for name, value := range told(arguments[0]).(object) {
			if list, is := value.([]any); is {
				earlier, _ := all[name].([]any)
				all[name] = append(earlier, list...)
			}
		}
		return []reflect.Value{reflect.ValueOf(true)}
	})
	remember := request.Option(func(sent *request.Request) { last = sent })
	arguments := []reflect.Value{reflect.ValueOf(aws.BackgroundContext()), input, page, reflect.ValueOf(remember)}
	if err, is := method.Call(arguments)[0].Interface().(error); is && err != nil {
		return refused(err)
	}
	return answered(all, last)
}

func answered(output any, sent *request.Request) object {
	return object{"output": output, "status": sent.HTTPResponse.StatusCode, "requestId": sent.RequestID}
}

func refused(err error) object {
	var failure awserr.RequestFailure
	if !errors.As(err, &failure) {
		panic(err)
	}
	problem := object{"code": failure.Code(), "message": failure.Message()}
	return object{"error": problem, "status": failure.StatusCode(), "requestId": failure.RequestID()}
}

func done(each step, result object) bool {
	if each.Until[0] == "error" {
		return at(result["error"], "code") == each.Until[1]
	}
	return at(result["output"], each.Until[0]) == each.Until[1]
}

func at(value any, path string) any {
	for _, name := range strings.Split(path, ".") {
		if members, is := value.(object); is {
			value = members[name]
		} else if list, is := value.([]any); is {
			index, err := strconv.Atoi(name)
			if err != nil || index >= len(list) {
				return nil
			}
			value = list[index]
		} else {
			return nil
		}
	}
	return value
}

// fill sets the fields of a request; members which this SDK's older model does not know are left out.
func fill(target reflect.Value, members object) {
	for name, value := range members {
		field := target.FieldByName(strings.ToUpper(name[:1]) + name[1:])
		if field.IsValid() {
			field.Set(converted(field.Type(), value))
		}
	}
}

func converted(kind reflect.Type, value any) reflect.Value {
	if kind.Kind() == reflect.Pointer {
		made := reflect.New(kind.Elem())
		made.Elem().Set(converted(kind.Elem(), value))
		return made
	}
	switch given := value.(type) {
	case string:
		text := variable.ReplaceAllStringFunc(given, func(found string) string {
			if value, is := known[found[1:]]; is {
				return value
			}
			return found
		})
		return reflect.ValueOf(text)
	case float64:
		return reflect.ValueOf(given).Convert(kind)
	case bool:
		return reflect.ValueOf(given)
	case []any:
		list := reflect.MakeSlice(kind, 0, len(given))
		for _, each := range given {
			list = reflect.Append(list, converted(kind.Elem(), each))
		}
		return list
	}
	members := value.(object)
	if kind == moment {
		parsed, err := time.Parse(time.RFC3339, members["$date"].(string))
		check(err)
		return reflect.ValueOf(parsed)
	}
	if kind.Kind() == reflect.Map {
		made := reflect.MakeMap(kind)
		for name, each := range members {
			made.SetMapIndex(reflect.ValueOf(name), converted(kind.Elem(), each))
		}
		return made
	}
	made := reflect.New(kind).Elem()
	fill(made, members)
	return made
}

// told gives a result as plain values, its dates marked.
func told(value reflect.Value) any {
	switch value.Kind() {
	case reflect.Pointer:
		if value.IsNil() {
			return nil
		}
		return told(value.Elem())
	case reflect.Slice:
		if value.IsNil() {
			return nil
		}
		list := []any{}
		for index := range value.Len() {
			list = append(list, told(value.Index(index)))
		}
		return list
	case reflect.Map:
		if value.IsNil() {
			return nil
		}
		members := object{}
		for _, name := range value.MapKeys() {
			members[name.String()] = told(value.MapIndex(name))
		}
		return members
	case reflect.Struct:
		if value.Type() == moment {
			return object{"$date": value.Interface().(time.Time).UTC().Format(time.RFC3339Nano)}
		}
		members := object{}
		for index := range value.NumField() {
			name := value.Type().Field(index).Name
			if name != "_" && name != "NextToken" {
				members[strings.ToLower(name[:1])+name[1:]] = told(value.Field(index))
			}
		}
		return members
	}
	return value.Interface()
}
