"""Python by base URL alone. With OpenAI's package installed (`pip install openai`) it is used; without it, what runs
here is the standard library's HTTP client with the same base URL, which shows that nothing but that has to change."""
import json
import os
import urllib.request

base = os.environ.get("WEIR_URL", "http://127.0.0.1:8080") + "/@pythonist.run-7/openai/v1"
key = os.environ.get("OPENAI_API_KEY", "sandbox")
messages = [{"role": "user", "content": "What is a weir?"}]

try:
    from openai import OpenAI
except ImportError:
    body = json.dumps({"model": "sandbox-1", "messages": messages}).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    request = urllib.request.Request(f"{base}/chat/completions", data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)["choices"][0]["message"]["content"]
    print("client: urllib")
else:
    client = OpenAI(api_key=key, base_url=base)
    answer = client.chat.completions.create(model="sandbox-1", messages=messages).choices[0].message.content
    print("client: openai")

print("answer:", answer)
