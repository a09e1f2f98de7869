// Prints, as JSON, facts about the Go types behind the Kubernetes API that its OpenAPI does not tell:
// the order of fields, which are pointers, which are left out when empty, and how Go names their types.
//
//	go run . > go-types.json
package main

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	apps "k8s.io/api/apps/v1"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	events "k8s.io/api/events/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	scheduling "k8s.io/api/scheduling/v1"
	storage "k8s.io/api/storage/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiregistration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// A field is [JSON name, Go type, flags]: p pointer, e left out when empty, z left out when zero, i inlined.
type field [3]string

var found = map[string][]field{}

func name(t reflect.Type) string { return t.PkgPath() + "." + t.Name() }

func walk(t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		walk(t.Elem())
		return
	case reflect.Struct:
	default:
		return
	}
	if _, seen := found[name(t)]; seen || !strings.Contains(t.PkgPath(), "k8s.io") {
		return
	}
	found[name(t)] = []field{}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("json")
		words := strings.Split(tag, ",")
		if !tagged || words[0] == "-" || !f.IsExported() {
			continue
		}
		flags, of := "", f.Type
		if of.Kind() == reflect.Pointer {
			flags, of = "p", of.Elem()
		}
		for _, word := range words[1:] {
			flags += map[string]string{"omitempty": "e", "omitzero": "z", "inline": "i"}[word]
		}
		if f.Anonymous && words[0] == "" && !strings.Contains(flags, "i") {
			flags += "i"
		}
		if strings.Contains(flags, "i") {
			found[name(t)] = append(found[name(t)], field{"", name(of), flags})
		} else {
			found[name(t)] = append(found[name(t)], field{words[0], of.String(), flags})
		}
		walk(of)
	}
}

func main() {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistration.AddToScheme, apps.AddToScheme, authentication.AddToScheme, authorization.AddToScheme,
		autoscalingv1.AddToScheme, autoscalingv2.AddToScheme, batch.AddToScheme, coordination.AddToScheme,
		core.AddToScheme, discovery.AddToScheme, events.AddToScheme, networking.AddToScheme, policy.AddToScheme,
		rbac.AddToScheme, scheduling.AddToScheme, storage.AddToScheme, apiextensions.AddToScheme, apiregistration.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	for _, t := range scheme.AllKnownTypes() {
		walk(t)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	if err := out.Encode(found); err != nil {
		panic(err)
	}
}
