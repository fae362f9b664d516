"""Another hand's WeChat server and cryptography: npm's ``wechat`` and ``wechat-crypto``, where Node
is. The same push is given to theirs and to ours; each opens what the other sealed."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.channels.tencent import crypto, xml
from store.engine import Database
from tests.channels.contract import Desk
from tests.channels.wechat_fake import AES_KEY, APPID, SAFE, TOKEN, WeChatPlatform

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("npm"), reason="no Node here"),
    pytest.mark.parametrize("address", ["sqlite"], indirect=True),
]
PACKAGES = ("wechat@2.1.0", "wechat-crypto@0.0.2")
# Reads {token, key, appid, push, answer}; tells what its own server answers to the push, and what
# it finds in our answer.
PEER = """
const { Readable } = require("stream");
const { parseString } = require("xml2js");
const wechat = require("wechat"), Crypto = require("wechat-crypto");
const given = JSON.parse(require("fs").readFileSync(0, "utf-8"));
const cryptor = new Crypto(given.token, given.key, given.appid);
const flat = (text) => {
  let found;
  parseString(text, { async: false, explicitArray: false }, (_, tags) => { found = tags.xml; });
  return found;
};
const opened = (text) => {
  const { Encrypt, MsgSignature, TimeStamp, Nonce } = flat(text);
  const inner = cryptor.decrypt(Encrypt);
  const signed = cryptor.getSignature(TimeStamp, Nonce, Encrypt) === MsgSignature;
  return { signed, id: inner.id, tags: flat(inner.message) };
};
const cipher = cryptor.encrypt(given.push), stamp = "1409659813", nonce = "1372623149";
const signature = cryptor.getSignature(stamp, nonce, cipher);
const request = Readable.from([Buffer.from(
  `<xml><ToUserName>gh_desk</ToUserName><Encrypt><![CDATA[${cipher}]]></Encrypt></xml>`)]);
request.method = "POST";
request.query = { encrypt_type: "aes", msg_signature: signature, timestamp: stamp, nonce };
let body = "";
const response = { writeHead() {}, setHeader() {}, end(text) { body += text || ""; done(); } };
const done = () => console.log(JSON.stringify({
  cipher, signature, stamp, nonce, theirs: opened(body), ours: opened(given.answer),
}));
wechat({ token: given.token, appid: given.appid, encodingAESKey: given.key }, (req, res) => {
  res.reply(`answer to ${req.weixin.Content}`);
})(request, response, (error) => { throw error; });
"""


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true}')
    (folder / "peer.js").write_text(PEER)
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip("npm cannot install wechat here")
    return folder / "peer.js"


def asked_of(peer: Path, question: dict[str, str]) -> dict[str, Any]:
    ran = subprocess.run(
        ["node", str(peer)], cwd=peer.parent, input=json.dumps(question), capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


async def test_their_server_and_ours_answer_the_same_push_alike(
    database: Database, peer: Path
) -> None:
    platform = WeChatPlatform(replace(SAFE, passive=True))
    desk = Desk(database, platform)
    await desk.work()
    tags = "<MsgType>text</MsgType><Content><![CDATA[你好 <b>]]></Content><MsgId>1</MsgId>"
    answer = (await platform.push(desk.http, tags)).text
    push = (
        "<xml><ToUserName>gh_desk</ToUserName><FromUserName>ann</FromUserName>"
        f"<CreateTime>1348831860</CreateTime>{tags}</xml>"
    )
    asked = {"token": TOKEN, "key": AES_KEY, "appid": APPID, "push": push, "answer": answer}
    found = asked_of(peer, asked)
    # What they sealed opens here, and their signature is genuine.
    words = (TOKEN, found["stamp"], found["nonce"], found["cipher"])
    assert crypto.genuine(found["signature"], *words)
    opened = crypto.SafeMode(AES_KEY, APPID, "the key").open(found["cipher"])
    assert xml.word(xml.read(opened), "Content") == "你好 <b>"
    # What we sealed opens there, and says what theirs says, but for the second it was said in.
    ours, theirs = found["ours"], found["theirs"]
    assert (ours["signed"], ours["id"]) == (True, APPID)
    assert ours["tags"].pop("CreateTime").isdecimal()
    theirs["tags"].pop("CreateTime")
    assert ours["tags"] == theirs["tags"]
    assert ours["tags"]["Content"] == "answer to 你好 <b>"
    await desk.kill()
