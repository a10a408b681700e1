// The Go SDK v2 with its defaults, driven line by line: see ../../driver.py.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

var (
	background = context.Background()
	client     = newClient()
	manager    = transfermanager.New(client)
)

func newClient() *s3.Client {
	// Credentials and region are found in the environment.
	settings, err := config.LoadDefaultConfig(background)
	if err != nil {
		panic(err)
	}
	return s3.NewFromConfig(settings, func(options *s3.Options) {
		options.BaseEndpoint = aws.String(os.Getenv("ENDPOINT"))
		options.UsePathStyle = true
	})
}

var operations = map[string]func(words []string) ([]string, error){
	"put": put, "get": get, "head": head, "list": list, "copy": copyObject, "delete": deleteOne,
	"deletemany": deleteMany, "upload": upload, "download": download, "presign": presign,
}

func put(words []string) ([]string, error) {
	file, err := os.Open(words[2])
	if err != nil {
		return nil, err
	}
	defer file.Close()
	answer, err := client.PutObject(background, &s3.PutObjectInput{
		Bucket: &words[0], Key: &words[1], Body: file,
	})
	if err != nil {
		return nil, err
	}
	return []string{aws.ToString(answer.ChecksumCRC32)}, nil
}

func get(words []string) ([]string, error) {
	answer, err := client.GetObject(background, &s3.GetObjectInput{Bucket: &words[0], Key: &words[1]})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	file, err := os.Create(words[2])
	if err != nil {
		return nil, err
	}
	defer file.Close()
	_, err = io.Copy(file, answer.Body)
	return []string{aws.ToString(answer.ChecksumCRC32)}, err
}

func head(words []string) ([]string, error) {
	answer, err := client.HeadObject(background, &s3.HeadObjectInput{Bucket: &words[0], Key: &words[1]})
	if err != nil {
		return nil, err
	}
	return []string{strconv.FormatInt(aws.ToInt64(answer.ContentLength), 10), aws.ToString(answer.ETag)}, nil
}

func list(words []string) ([]string, error) {
	size, err := strconv.Atoi(words[2])
	if err != nil {
		return nil, err
	}
	input := &s3.ListObjectsV2Input{Bucket: &words[0], Prefix: &words[1], MaxKeys: aws.Int32(int32(size))}
	keys := []string{}
	for pages := s3.NewListObjectsV2Paginator(client, input); pages.HasMorePages(); {
		page, err := pages.NextPage(background)
		if err != nil {
			return nil, err
		}
		for _, entry := range page.Contents {
			keys = append(keys, aws.ToString(entry.Key))
		}
	}
	return keys, nil
}

// The SDK sends the source that it is given; its documentation asks for one that is URL-encoded.
func copyObject(words []string) ([]string, error) {
	_, err := client.CopyObject(background, &s3.CopyObjectInput{
		Bucket: &words[0], CopySource: aws.String(words[0] + "/" + url.QueryEscape(words[1])), Key: &words[2],
	})
	return nil, err
}

func deleteOne(words []string) ([]string, error) {
	_, err := client.DeleteObject(background, &s3.DeleteObjectInput{Bucket: &words[0], Key: &words[1]})
	return nil, err
}

func deleteMany(words []string) ([]string, error) {
	objects := []types.ObjectIdentifier{}
	for at := range words[1:] {
		objects = append(objects, types.ObjectIdentifier{Key: &words[1+at]})
	}
	answer, err := client.DeleteObjects(background, &s3.DeleteObjectsInput{
		Bucket: &words[0], Delete: &types.Delete{Objects: objects},
	})
	if err != nil {
		return nil, err
	}
	refused := []string{}
	for _, entry := range answer.Errors {
		refused = append(refused, aws.ToString(entry.Key)+": "+aws.ToString(entry.Code))
	}
	return refused, nil
}

// A reader that cannot seek, so that every part is sent with a trailing checksum.
func upload(words []string) ([]string, error) {
	file, err := os.Open(words[2])
	if err != nil {
		return nil, err
	}
	defer file.Close()
	answer, err := manager.UploadObject(background, &transfermanager.UploadObjectInput{
		Bucket: &words[0], Key: &words[1], Body: struct{ io.Reader }{file},
	})
	if err != nil {
		return nil, err
	}
	return []string{aws.ToString(answer.ETag)}, nil
}

func download(words []string) ([]string, error) {
	file, err := os.Create(words[2])
	if err != nil {
		return nil, err
	}
	defer file.Close()
	_, err = manager.DownloadObject(background, &transfermanager.DownloadObjectInput{
		Bucket: &words[0], Key: &words[1], WriterAt: file,
	})
	return nil, err
}

func presign(words []string) ([]string, error) {
	signer := s3.NewPresignClient(client, s3.WithPresignExpires(time.Minute))
	var request *v4.PresignedHTTPRequest
	var err error
	if words[2] == "PUT" {
		request, err = signer.PresignPutObject(background, &s3.PutObjectInput{Bucket: &words[0], Key: &words[1]})
	} else {
		request, err = signer.PresignGetObject(background, &s3.GetObjectInput{Bucket: &words[0], Key: &words[1]})
	}
	if err != nil {
		return nil, err
	}
	return []string{request.URL}, nil
}

func answer(line string) []string {
	words := strings.Split(line, " ")
	for at, word := range words {
		decoded, err := url.PathUnescape(word)
		if err != nil {
			return []string{"error", "Protocol", err.Error()}
		}
		words[at] = decoded
	}
	operation, known := operations[words[0]]
	if !known {
		return []string{"error", "Protocol", "no such operation"}
	}
	said, err := operation(words[1:])
	if err == nil {
		return append([]string{"ok"}, said...)
	}
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return []string{"error", refused.ErrorCode(), refused.ErrorMessage()}
	}
	return []string{"error", "Client", err.Error()}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := answer(lines.Text())
		for at, word := range words {
			words[at] = url.PathEscape(word)
		}
		fmt.Println(strings.Join(words, " "))
	}
}
